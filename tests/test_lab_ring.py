"""A real ring all-reduce between processes, and what one message's time says about it."""

import subprocess
import sys

import numpy as np
import pytest

from dcserver.lab import ring


def test_three_processes_agree_on_the_sum() -> None:
    run = ring.all_reduce(3, 3e5, repeats=2)
    assert run.correct
    assert run.ranks == 3
    assert run.message_bytes == pytest.approx(3e5, rel=1e-4)
    assert 0 < run.time < 60
    # Each of three sends 4 pieces of a third.
    assert run.sent_bytes == pytest.approx(4 / 3 * run.message_bytes)
    assert run.bus_bandwidth == pytest.approx(run.sent_bytes / run.time)
    assert "every rank has the sum" in str(run)


def test_a_wrong_sum_would_be_told() -> None:
    assert "WRONG" in str(ring.RingRun(3, 1e6, 1e-3, False))


def test_a_rank_that_is_too_slow_ends_the_ring() -> None:
    with pytest.raises(RuntimeError, match="not done within"):
        ring.all_reduce(2, 1e5, timeout=1e-6)


@pytest.mark.parametrize(("arguments", "name"), [({"ranks": 1}, "ranks"), ({"ranks": 2.5}, "ranks"),
                         ({"ranks": 65}, "ranks"), ({"message_bytes": -1}, "message_bytes"),
                         ({"message_bytes": 1e12}, "message_bytes"), ({"repeats": 0}, "repeats")])  # fmt: skip
def test_impossible_rings_are_named(arguments: dict[str, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ring.all_reduce(**arguments)  # type: ignore[arg-type]


def test_the_expected_time_counts_the_turns() -> None:
    sizes, times = np.array([1e3, 1e6]), np.array([1e-5, 1e-3])
    # 4 ranks: 6 turns of a quarter of 4 MB, each 1 ms.
    assert ring.expected_time(4, 4e6, sizes, times) == pytest.approx(6e-3)
    # Far beyond the measured sizes the rate of the last point holds: twice the bytes, twice the time.
    assert ring.expected_time(4, 8e8, sizes, times) == pytest.approx(2 * ring.expected_time(4, 4e8, sizes, times))
    # Tiny messages cost a message's own time each turn: more ranks, more turns.
    many = ring.expected_time(np.array([2, 4, 8]), 4.0, sizes, times)
    assert many == pytest.approx(np.array([2, 6, 14]) * 1e-5)
    assert ring.expected_time(4, 4e6, sizes[::-1], times[::-1]) == pytest.approx(6e-3)


def test_the_expected_time_needs_a_measured_curve() -> None:
    with pytest.raises(ValueError, match="sizes"):
        ring.expected_time(4, 1e6, [], [])


def test_importing_it_starts_nothing() -> None:
    code = "import dcserver.lab.ring, multiprocessing, sys; assert not multiprocessing.active_children(); assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
