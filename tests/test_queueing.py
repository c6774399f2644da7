"""Queues: formulas against textbook numbers, and the simulation against the formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcserver import queueing


def test_one_random_server_at_four_fifths_waits_four_service_times() -> None:
    assert queueing.mean_wait(0.8, 1.0) == pytest.approx(4.0)
    assert queueing.mean_wait(0.8, 1.0, service_variation=0) == pytest.approx(2.0), "regular service halves the wait"


def test_rate_times_service_time_is_the_load() -> None:
    # 80 requests a second of 10 ms each keep one server busy 0.8 of the time, and four of them 0.2.
    assert queueing.utilization(80, 0.01) == pytest.approx(0.8)
    assert queueing.utilization(80, 0.01, 4) == pytest.approx(0.2)
    assert queueing.mean_wait(80, 0.01) == pytest.approx(0.04)
    assert queueing.waiting_probability(0.0, 0.01, 4) == 0.0


def test_a_median_request_finds_an_idle_server_or_waits_the_logarithm() -> None:
    # M/M/1 at a load of 0.8 and 10 ms: half of 0.8 is past the median, so ln(0.8 / 0.5) x 10 ms / 0.2.
    assert queueing.wait_quantile(0.5, 80, 0.01) == pytest.approx(np.log(1.6) * 0.05)
    assert queueing.wait_quantile(0.2, 80, 0.01) == 0.0, "a fifth finds the server idle"
    assert queueing.wait_quantile(0.0, 80, 0.01) == 0.0


def test_regular_arrivals_and_bursts_in_both_count_by_half() -> None:
    assert queueing.mean_wait(0.8, 1.0, arrival_variation=0, service_variation=0) == 0.0
    assert queueing.mean_wait(0.8, 1.0, arrival_variation=3) == pytest.approx(2 * queueing.mean_wait(0.8, 1.0))


def test_two_servers_serve_three_requests_at_once_late() -> None:
    # Three come together, each needs 2 s: two start at once, the third when the first is done.
    np.testing.assert_allclose(queueing.waits([0.0, 0.0, 0.0, 1.0], 2.0, 2), [0, 0, 2, 1])


def test_as_many_servers_as_allowed_and_not_one_more() -> None:
    assert queueing.waiting_probability(1.0, 1.0, 4096) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="servers=4,097"):
        queueing.waiting_probability(1.0, 1.0, 4097)


def test_gaps_between_random_arrivals_vary_by_their_burstiness() -> None:
    for burstiness in (1.0, 4.0):
        gaps = np.diff(queueing.poisson_arrivals(10.0, 200_000, burstiness=burstiness))
        assert gaps.mean() == pytest.approx(0.1, rel=0.02)
        assert gaps.var() / gaps.mean() ** 2 == pytest.approx(burstiness, rel=0.05)
    assert not np.array_equal(queueing.poisson_arrivals(1.0, 5, seed=0), queueing.poisson_arrivals(1.0, 5, seed=1))
    assert np.array_equal(queueing.poisson_arrivals(1.0, 5), queueing.poisson_arrivals(1.0, 5, seed=0))


def test_erlang_c_of_a_textbook() -> None:
    # 10 servers, offered load 8: C = 0.409 (Erlang's table; by hand from B(10, 8) = 0.1217).
    assert queueing.waiting_probability(8.0, 1.0, 10) == pytest.approx(0.4092, abs=2e-4)
    assert queueing.mean_wait(8.0, 1.0, 10) == pytest.approx(0.4092 / 2, abs=2e-4)


def test_a_shared_queue_beats_separate_ones() -> None:
    assert queueing.mean_wait(8.0, 1.0, 10) < queueing.mean_wait(0.8, 1.0, 1) / 10


def test_a_full_server_never_catches_up() -> None:
    assert queueing.mean_wait(1.0, 1.0) == np.inf
    assert queueing.wait_quantile(0.5, [0.5, 1.2], 1.0)[1] == np.inf
    assert queueing.waiting_probability(3.0, 1.0, 2) == 1.0


def test_the_simulation_agrees_with_the_formulas() -> None:
    rng = np.random.default_rng(1)
    n = 400_000
    arrivals = queueing.poisson_arrivals(0.7, n, seed=2)
    one = queueing.waits(arrivals, rng.exponential(1.0, n))
    assert one.mean() == pytest.approx(queueing.mean_wait(0.7, 1.0), rel=0.06)
    assert np.quantile(one, 0.99) == pytest.approx(queueing.wait_quantile(0.99, 0.7, 1.0), rel=0.06)
    regular = queueing.waits(arrivals, 1.0)
    assert regular.mean() == pytest.approx(queueing.mean_wait(0.7, 1.0, service_variation=0), rel=0.06)
    three = queueing.waits(queueing.poisson_arrivals(2.1, 60_000, seed=3), rng.exponential(1.0, 60_000), 3)
    assert three.mean() == pytest.approx(queueing.mean_wait(2.1, 1.0, 3), rel=0.12)


def test_the_running_maximum_is_the_recursion() -> None:
    rng = np.random.default_rng(4)
    arrivals, services = np.sort(rng.uniform(0, 50, 60)), rng.exponential(1.0, 60)
    wait, expected = 0.0, [0.0]
    for i in range(1, 60):
        wait = max(wait + services[i - 1] - (arrivals[i] - arrivals[i - 1]), 0.0)
        expected.append(wait)
    np.testing.assert_allclose(queueing.waits(arrivals, services), expected, atol=1e-9)


def test_many_queues_at_once_are_the_loop_over_them() -> None:
    arrivals = queueing.poisson_arrivals([0.5, 0.9], 200)
    for servers in (1, 2):
        both = queueing.waits(arrivals, 1.3, servers)
        for row, one in zip(both, arrivals, strict=True):
            np.testing.assert_allclose(row, queueing.waits(one, 1.3, servers))


def test_bursts_keep_the_rate_and_lengthen_the_wait() -> None:
    smooth, bursty = (queueing.poisson_arrivals(0.7, 100_000, burstiness=b) for b in (1.0, 8.0))
    assert smooth[-1] == pytest.approx(bursty[-1], rel=0.05)
    assert queueing.waits(bursty, 1.0).mean() > 2 * queueing.waits(smooth, 1.0).mean()


@given(st.floats(0.01, 0.97), st.integers(1, 60), st.floats(1e-6, 1e3))
def test_waits_grow_with_load_and_shrink_with_servers(load: float, servers: int, time: float) -> None:
    rate = load * servers / time
    wait = queueing.mean_wait(rate, time, servers)
    assert wait >= 0
    assert queueing.mean_wait(rate * 1.02, time, servers) >= wait
    assert queueing.mean_wait(rate, time, servers + 1) <= wait
    chance = queueing.waiting_probability(rate, time, servers)
    assert 0 <= chance <= 1
    assert queueing.wait_quantile(0.999, rate, time, servers) >= queueing.wait_quantile(0.5, rate, time, servers)


def test_arrays_are_the_loop() -> None:
    rates, servers = np.array([[1.0], [2.5]]), np.array([1, 3, 7])
    table = queueing.mean_wait(rates, 0.9, servers)
    assert table.shape == (2, 3)
    for i, rate in enumerate(rates[:, 0]):
        for j, count in enumerate(servers):
            assert table[i, j] == pytest.approx(queueing.mean_wait(rate, 0.9, count))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: queueing.mean_wait(-1, 1), "arrival_rate=-1"),
        (lambda: queueing.mean_wait(1, 0), "service_time=0"),
        (lambda: queueing.mean_wait(1, 1, 1.5), "servers=1.5"),
        (lambda: queueing.mean_wait(1, 1, 10**6), "at most 4,096"),
        (lambda: queueing.wait_quantile(1.0, 1, 1), "share=1"),
        (lambda: queueing.waits([1.0, 0.5], 1.0), "in order"),
        (lambda: queueing.waits([0.0, 1.0], -1.0), "services=-1"),
        (lambda: queueing.poisson_arrivals(float("nan"), 3), "rate is not known"),
    ],
)
def test_bad_input_is_named(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
