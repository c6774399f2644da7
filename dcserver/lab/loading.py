"""The learner's own disk and cores as an input pipeline: real JPEG files and a real shard, read and decoded.

The files lie in a temporary folder, which is removed at the end, whatever happens. What this system cannot be asked
(a drive in a browser, threads, a cache that cannot be emptied) is said in the notes. Taught in chapter 05.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from dcserver.checks import require_between, require_whole
from dcserver.lab.bench import _about
from dcserver.lab.browser import IN_BROWSER
from dcserver.progress import Progress, reporter

__all__ = ["LoadingReport", "measure", "reference"]

WIDTH, HEIGHT, SEEN = 500, 375, 224
DISTINCT = 24  # images that are drawn; each is written several times


@dataclass(frozen=True)
class LoadingReport:
    """Images a second by what was done; only what was measured stands there."""

    date: str
    processor: str
    cores: int
    software: str
    images: int
    image_bytes: float
    rates: dict[str, float]
    notes: tuple[str, ...] = ()

    def of(self, what: str) -> dict[int, float]:
        """Images a second by number of workers, of "decode" or "prepare"."""
        found = {}
        for name, rate in self.rates.items():
            if name.startswith(f"{what}, "):
                found[int(name.split(", ")[1].split()[0])] = rate
        return found

    @property
    def per_core(self) -> float:
        """Images a second that one core decodes, cuts and scales; NaN if that was not reached."""
        return self.of("prepare").get(1, float("nan"))

    def to_json(self) -> str:
        """The report as text, for a file."""
        return json.dumps(asdict(self), indent=1)


@cache
def reference() -> LoadingReport:
    """A measurement of ours that comes with the package; its date and processor stand in it."""
    file = resources.files("dcserver.catalog") / "data" / "loading_reference.json"
    known = json.loads(file.read_text(encoding="utf-8"))
    return LoadingReport(**{**known, "notes": tuple(known["notes"])})


def draw_images(count: int, seed: int = 0) -> list[bytes]:
    """JPEG photos that never were: a slope of light, shapes with edges, and grain; about 110 kB each, as in ImageNet."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    grain = rng.normal(0.0, 22.5, (HEIGHT + count, WIDTH + count))  # each image sees it through a window of its own
    slope = np.linspace(0, 1, WIDTH)[None, :, None] * rng.uniform(40, 120, 3) + np.linspace(0, 1, HEIGHT)[:, None, None]
    found = []
    for i in range(count):
        picture = Image.fromarray((slope + rng.uniform(20, 100, 3)).astype(np.uint8))
        pen = ImageDraw.Draw(picture)
        for _ in range(24):
            x, y, w, h = (int(v) for v in rng.integers([0, 0, 20, 20], [WIDTH, HEIGHT, 160, 120]))
            colour = tuple(int(v) for v in rng.integers(0, 256, 3))
            (pen.ellipse if rng.random() < 0.5 else pen.rectangle)((x, y, x + w, y + h), fill=colour)
        noisy = np.asarray(picture, dtype=float) + grain[i : i + HEIGHT, i : i + WIDTH, None]
        out = io.BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=92)
        found.append(out.getvalue())
    return found


def decode(data: bytes) -> Any:
    """One image in full, as numbers of 8 bits in memory."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def prepare(data: bytes, box: tuple[int, int, int, int], mirrored: bool) -> np.ndarray:
    """What a training run does to an image: decode it, cut out a part, scale it to 224 x 224, mirror it, normalise it."""
    from PIL import Image

    picture = decode(data).resize((SEEN, SEEN), Image.Resampling.BILINEAR, box=box)
    if mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    numbers = np.asarray(picture, dtype=np.float32)
    return (numbers - np.float32(118)) / np.float32(58)


def _boxes(count: int) -> list[tuple[tuple[int, int, int, int], bool]]:
    """Random parts of 8 to 100 % of an image, as image classifiers are trained on."""
    rng = np.random.default_rng(1)
    found = []
    for share, x, y, side in zip(rng.uniform(0.08, 1, count), *rng.random((3, count)), strict=True):
        w, h = int(WIDTH * share**0.5), int(HEIGHT * share**0.5)
        left, top = int(x * (WIDTH - w)), int(y * (HEIGHT - h))
        found.append(((left, top, left + w, top + h), bool(side < 0.5)))
    return found


def _forget(paths: list[Path]) -> bool:
    """Ask the system to drop these files from its memory; whether it can be asked."""
    if not hasattr(os, "posix_fadvise"):
        return False
    try:
        for path in paths:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
    except OSError:
        return False
    return True


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(OSError):  # what is still to be written cannot be dropped from memory
            os.fsync(file.fileno())


def _worker_counts(cores: int) -> list[int]:
    return sorted({1, *(n for n in (2, 4, 8, 16, 32, 64) if n < cores), cores})


def measure(progress: Progress | bool | None = None, *, images: int = 240, seconds: float = 10.0,
            folder: Path | None = None) -> LoadingReport:  # fmt: skip
    """Write a few hundred JPEG files and a shard, read both, and decode them on one core and on all.

    Parameters
    ----------
    progress : callable or True, optional
        Called with the steps that are done and those that there are. Interrupting keeps what is measured by then.
    images : int
        Files that are written, of about 110 kB [1].
    seconds : float
        About how long it may take [s].
    folder : Path, optional
        Where the temporary folder is made; the system's place for such if left out.

    Returns
    -------
    LoadingReport
        Images a second, the best of several passes. From the drive: after the system was asked to forget the files
        (a drive's own memory, and that of a host below a virtual machine, still answer). Workers are threads:
        Pillow lets go of Python's lock while it decodes and scales. Taught in chapter 05.

    Raises
    ------
    ValueError
        For fewer than 24 images, or less than half a second.
    """
    require_whole(minimum=DISTINCT, images=images)
    require_between(0.5, 600, seconds=seconds)
    about, tell = _about(), reporter(progress, "steps")
    cores = int(about["cores"])
    counts = [1] if IN_BROWSER else _worker_counts(cores)
    # Four ways to read, and two to decode for each number of workers, each with its share of the time.
    passes, total = 4, 1 + 4 * 4 + 2 * 4 * len(counts)
    rates: dict[str, float] = {}
    notes: list[str] = ["a browser's Python has no drive: files lie in memory"] if IN_BROWSER else []
    image_bytes, done = float("nan"), 0

    def step() -> None:
        nonlocal done
        done += 1
        tell(done, total)

    def best(what: str, one_pass: Callable[[], Any], before: Callable[[], Any] | None = None) -> None:
        share, began, runs = seconds / (4 + 2 * len(counts)), time.perf_counter(), 0
        while runs < passes:
            if before:
                before()
            start = time.perf_counter()
            one_pass()
            rates[what] = max(rates.get(what, 0.0), images / max(time.perf_counter() - start, 1e-9))
            runs += 1
            step()
            if time.perf_counter() - began > share:
                break
        for _ in range(runs, passes):
            step()

    try:
        with tempfile.TemporaryDirectory(prefix="dcserver-loading-", dir=folder) as place:
            data = draw_images(DISTINCT)
            image_bytes = float(np.mean([len(d) for d in data]))
            files = [Path(place) / f"{i:05}.jpg" for i in range(images)]
            for i, path in enumerate(files):
                _write(path, data[i % DISTINCT])
            shard = Path(place) / "shard.bin"
            _write(shard, b"".join(data[i % DISTINCT] for i in range(images)))
            step()
            order = [files[i] for i in np.random.default_rng(2).permutation(images)]

            def read_files() -> None:
                for path in order:
                    path.read_bytes()

            def read_shard() -> None:
                with shard.open("rb", buffering=0) as file:
                    while file.read(2**20):
                        pass

            if not IN_BROWSER and _forget(files):
                best("files, from the drive", read_files, lambda: _forget(files))
                best("shard, from the drive", read_shard, lambda: _forget([shard]))
            elif not IN_BROWSER:
                notes.append("this system cannot be asked to forget files: only reading from memory was measured")
            read_files()
            read_shard()
            best("files, from memory", read_files)
            best("shard, from memory", read_shard)
            _measure_decoding([data[i % DISTINCT] for i in range(images)], counts, best, notes)
    except KeyboardInterrupt:
        notes.append("stopped before the end; what was measured by then is kept")
    except (OSError, RuntimeError, ImportError) as trouble:
        notes.append(f"{type(trouble).__name__} stopped it; what was measured by then is kept")
    drive, memory = rates.get("files, from the drive"), rates.get("files, from memory")
    if drive and memory and drive > 0.7 * memory:
        notes.append("the drive was hardly slower than memory: the files probably never left memory")
    return LoadingReport(
        about["date"], about["processor"], cores, f"{about['software']}, {_pillow()}", images, image_bytes, rates,
        tuple(notes),
    )  # fmt: skip


def _measure_decoding(data: list[bytes], counts: list[int], best: Callable[..., None], notes: list[str]) -> None:
    boxes = _boxes(len(data))
    for workers in counts:
        with _mapper(workers) as spread:
            name = f"{workers} worker{'s' if workers > 1 else ''}"

            def decode_all(spread: Callable[..., Any] = spread) -> None:
                for _ in spread(decode, data):
                    pass

            def prepare_all(spread: Callable[..., Any] = spread) -> None:
                for _ in spread(lambda pair: prepare(pair[0], *pair[1]), list(zip(data, boxes, strict=True))):
                    pass

            best(f"decode, {name}", decode_all)
            best(f"prepare, {name}", prepare_all)
    if IN_BROWSER:
        notes.append("a browser's Python has one thread: more workers cannot be measured")


@contextlib.contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Any]]:
    if workers == 1:
        yield map
        return
    with ThreadPoolExecutor(workers) as pool:
        yield pool.map


def _pillow() -> str:
    try:
        import PIL
        from PIL import features

        turbo = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
        return f"Pillow {PIL.__version__} with {turbo}"
    except ImportError:
        return "no Pillow"
