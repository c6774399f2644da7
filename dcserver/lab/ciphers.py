"""How fast this machine encrypts, measured for real: AES, ChaCha20 and SM4 by length of message, on one core.

``measure()`` measures; ``reference()`` is a measurement that came with the package. It needs the package
cryptography; where that is missing the report says so. Taught in chapter 11.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from dcserver.checks import require_between, require_choice
from dcserver.lab.bench import _about
from dcserver.lab.probes import CannotMeasure, Point, best_time
from dcserver.progress import Progress, reporter

CIPHERS = ("AES-256-GCM", "ChaCha20-Poly1305", "AES-128-CTR", "SM4-CTR")
SIZES = (64, 512, 4096, 32 * 1024, 256 * 1024)  # a packet to a piece of a checkpoint; longer ones gain nothing


@dataclass(frozen=True)
class CipherReport:
    """Bytes a second that one core encrypts, by cipher and message; what could not be measured stands in the notes."""

    date: str
    processor: str
    software: str
    cipher: tuple[str, ...] = ()
    message: tuple[float, ...] = ()
    rate: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, cipher: str) -> tuple[np.ndarray, np.ndarray]:
        """Messages [B] and rates [B/s] of a cipher; empty where it was not measured."""
        require_choice(CIPHERS, cipher=cipher)
        chosen = [i for i, name in enumerate(self.cipher) if name == cipher]
        return np.array([self.message[i] for i in chosen]), np.array([self.rate[i] for i in chosen])

    def best(self, cipher: str) -> float:
        """Highest rate of a cipher [B/s]; NaN where it was not measured."""
        rates = self.of(cipher)[1]
        return float(rates.max()) if len(rates) else float("nan")

    def call_time(self, cipher: str) -> float:
        """What a call costs however short [s]: the time of the shortest message, less that of its bytes at the best rate."""
        messages, rates = self.of(cipher)
        return float(max(messages[0] / rates[0] - messages[0] / rates.max(), 0.0)) if len(rates) else float("nan")


def _encrypters(version: list[str]) -> dict[str, Callable[[bytes], Any]]:
    try:
        import cryptography
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    except ImportError:
        raise CannotMeasure("the package cryptography is not installed here") from None
    version.append(f"cryptography {cryptography.__version__}")
    nonce, block = os.urandom(12), os.urandom(16)

    def counter(algorithm: Any) -> Callable[[bytes], Any]:
        return lambda data: Cipher(algorithm(block), modes.CTR(block)).encryptor().update(data)

    gcm, chacha = AESGCM(os.urandom(32)), ChaCha20Poly1305(os.urandom(32))
    # One nonce for all messages: fit for a stop-watch, never for secrets.
    return {
        "AES-256-GCM": lambda data: gcm.encrypt(nonce, data, None),
        "ChaCha20-Poly1305": lambda data: chacha.encrypt(nonce, data, None),
        "AES-128-CTR": counter(algorithms.AES),
        "SM4-CTR": counter(algorithms.SM4),
    }


def rates(seconds: float, notes: list[str], version: list[str]) -> Iterator[Point]:
    """Bytes a second by cipher and message; a cipher that this build of the package lacks becomes a note."""
    share = seconds / (len(CIPHERS) * len(SIZES) * 1.3)
    for name, encrypt in _encrypters(version).items():
        for size in SIZES:
            data = os.urandom(size)
            try:
                encrypt(data)
            except Exception as trouble:  # the package has its own kinds of refusal
                notes.append(f"{name}: not offered here ({type(trouble).__name__})")
                break
            yield name, size, size / best_time(lambda e=encrypt, d=data: e(d), share)  # type: ignore[misc]


def measure(seconds: float = 4.0, progress: Progress | bool | None = None) -> CipherReport:
    """Measures how fast one core of this machine encrypts.

    Parameters
    ----------
    seconds : float
        About how long it may take [s].
    progress : callable or True, optional
        Called with points measured and points in all. Stopping (KeyboardInterrupt) keeps what is measured.

    Returns
    -------
    CipherReport
        Without any rate, and with a note that says why, where the package cryptography is missing.

    Raises
    ------
    ValueError
        For less than 0.05 s or more than 600.
    """
    require_between(0.05, 600, seconds=seconds)
    about = _about()
    tell, total = reporter(progress, "points"), len(CIPHERS) * len(SIZES)
    report = CipherReport(about["date"], about["processor"], about["software"])
    notes: list[str] = []
    version: list[str] = []
    points: list[Point] = []
    try:
        for point in rates(seconds, notes, version):
            points.append(point)
            tell(len(points), total)
    except CannotMeasure as why:
        notes.append(str(why))
    except KeyboardInterrupt:
        notes.append("stopped; what was measured by then is kept")
    cipher, message, rate = zip(*points, strict=True) if points else ((), (), ())
    software = ", ".join([report.software, *version])
    report = replace(report, software=software, cipher=cipher, message=message, rate=rate, notes=tuple(notes))
    if all(np.isfinite(report.best(name)) for name in CIPHERS):
        _measured.append(report)
    return report


_measured: list[CipherReport] = []


def latest() -> CipherReport:
    """What was measured of all ciphers in this session; before that, the reference."""
    return _measured[-1] if _measured else reference()


@cache
def reference() -> CipherReport:
    """A measurement of ours that comes with the package; its date and processor stand in it."""
    file = resources.files("dcserver.catalog") / "data" / "cipher_reference.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    lists = {k: tuple(found[k]) for k in ("cipher", "message", "rate", "notes")}
    return CipherReport(found["date"], found["processor"], found["software"], **lists)


def as_json(report: CipherReport) -> str:
    """A report as text, in the form of the kept one."""
    rounded = replace(report, rate=tuple(float(f"{r:.4g}") for r in report.rate))
    return json.dumps(asdict(rounded), indent=1) + "\n"
