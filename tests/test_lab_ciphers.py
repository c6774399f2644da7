"""Measuring how fast a machine encrypts: what comes out is plausible, stopping keeps it, and what is missing is said."""

import builtins

import numpy as np
import pytest

from dcserver.lab import ciphers

cryptography = pytest.importorskip("cryptography")


@pytest.fixture(scope="module")
def report():
    return ciphers.measure(0.3)


def test_every_cipher_is_measured_or_a_note_says_why_not(report):
    for cipher in ciphers.CIPHERS:
        assert len(report.of(cipher)[1]) == len(ciphers.SIZES) or any(cipher in note for note in report.notes)
    assert all(r > 0 for r in report.rate)
    assert "cryptography" in report.software


def test_long_messages_encrypt_faster_a_byte_than_short_ones(report):
    messages, rates = report.of("AES-256-GCM")
    assert rates[-1] > 3 * rates[0]
    assert 0 < report.call_time("AES-256-GCM") < 1e-3


def test_the_kept_run_shows_what_an_instruction_set_is_worth():
    kept = ciphers.reference()
    assert kept.best("AES-128-CTR") > 20 * kept.best("SM4-CTR")
    assert 1e9 < kept.best("AES-256-GCM") < 20e9
    assert len(kept.date) == 10


def test_a_report_goes_to_text_and_back(report):
    assert '"rate"' in ciphers.as_json(report)
    assert ciphers.as_json(ciphers.reference()) == ciphers.as_json(ciphers.reference())


def test_stopping_keeps_what_was_measured():
    said = []

    def stop(done, total):
        said.append(done / total)
        if len(said) == 3:
            raise KeyboardInterrupt

    found = ciphers.measure(0.3, stop)
    assert len(found.rate) == 3
    assert "stopped" in found.notes[-1]
    assert np.isnan(found.best("SM4-CTR"))
    assert said == sorted(said)


def test_without_the_package_it_says_so(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    found = ciphers.measure(0.1)
    assert found.rate == ()
    assert found.notes == ("the package cryptography is not installed here",)


def test_impossible_requests_are_named():
    with pytest.raises(ValueError, match="seconds=0"):
        ciphers.measure(0)
    with pytest.raises(ValueError, match="did you mean 'SM4-CTR'"):
        ciphers.reference().of("SM4-CBC")
