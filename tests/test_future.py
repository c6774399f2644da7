"""What comes next: yields, pools, joules, qubits and trends, against numbers worked out by hand and published ones."""

import csv
import doctest
import importlib
import tracemalloc
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, energy, future
from dcserver.catalog.fields import CONFIDENCE
from dcserver.catalog.tables import rows_of

MM2 = 1e-6
H100 = catalog.accelerator("H100 SXM")


# --- Dies and packages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", future.YIELD_MODELS)
def test_a_die_of_no_area_is_always_good(model):
    assert future.die_yield(0, 1000, model) == 1
    assert future.die_yield(500 * MM2, 0, model) == 1


def test_yields_by_hand():
    # 1 cm2 with one defect a cm2: e^-1; (1 - e^-1)^2; (1 + 1/3)^-3
    assert future.die_yield(1e-4, 1e4, "Poisson") == pytest.approx(0.367879, rel=1e-5)
    assert future.die_yield(1e-4, 1e4, "Murphy") == pytest.approx(0.399576, rel=1e-5)
    assert future.die_yield(1e-4, 1e4, clustering=3) == pytest.approx(27 / 64)


@given(st.floats(1e-6, 8e-4), st.floats(1, 1e4))
def test_clustered_defects_spare_more_dies_and_without_clusters_it_is_poisson(area, density):
    poisson = future.die_yield(area, density, "Poisson")
    assert poisson <= future.die_yield(area, density, "Murphy") + 1e-12
    assert poisson <= future.die_yield(area, density) + 1e-12
    assert future.die_yield(area, density, clustering=1e7) == pytest.approx(poisson, rel=1e-4)


def test_a_wafer_holds_63_dies_of_814_mm2():
    # pi 150^2 / 814 - pi 300 / sqrt(1628) = 86.8 - 23.4
    assert future.dies_per_wafer(814 * MM2) == pytest.approx(63.48, abs=0.01)


def test_four_epyc_dies_cost_what_amd_said_they_cost():
    four = future.package(774.5 * MM2, 4, 900)  # 4 x 213 mm2 with the links in it
    one = future.package(777 * MM2, 1, 900)
    assert four.die_area == pytest.approx(213 * MM2, rel=1e-3)
    assert four.silicon / one.silicon == pytest.approx(
        future.published("cost of four EPYC dies over one large die"), rel=0.03
    )


@given(st.floats(20, 2000), st.integers(1, 16), st.floats(10, 3000), st.booleans())
def test_a_package_costs_the_sum_of_its_parts(area, dies, density, known_good):
    p = future.package(area * MM2, dies, density, known_good=known_good)
    assert sum(p.breakdown.values()) == pytest.approx(p.total)
    assert p.lost >= 0
    assert 0 < p.die_yield <= 1


def test_dies_that_are_tested_first_make_the_cheaper_package():
    tested, blind = (future.package(800 * MM2, [2, 4, 8], known_good=k).total for k in (True, False))
    assert np.all(blind > tested)
    # by hand: without a test the working share is (bond x yield)^dies
    p = future.package(800 * MM2, 4, known_good=False)
    assert p.good_share == pytest.approx((0.99 * p.die_yield) ** 4)


def test_chiplets_lose_when_small_and_win_when_large():
    areas = np.array([50, 1600]) * MM2
    one, four = (future.package(areas, n).total for n in (1, 4))
    assert four[0] > one[0]
    assert four[1] < one[1]
    assert not future.package(1600 * MM2).fits_reticle
    assert future.package(1600 * MM2, 4).fits_reticle


def test_memory_stacks_reach_what_the_data_sheets_say():
    h100 = future.stacked_bandwidth(int(future.published("stacks of an H100 SXM")), 1024, 5.23e9)
    assert h100 == pytest.approx(H100.memory_bandwidth, rel=0.005)
    p100 = catalog.accelerator("P100-SXM2-16GB")
    assert p100.year == 2016
    assert p100.memory_bandwidth > 500e9  # what D2-44 says for 3 nm


# --- Pools ---------------------------------------------------------------------------------------------------------


def test_a_pool_of_one_saves_nothing_and_neither_does_one_of_servers_that_move_together():
    assert future.memory_pool(1, 1.0, 0.3).saved == 0
    assert future.memory_pool(64, 1.0, 0.3, correlation=1).saved == pytest.approx(0)
    assert future.memory_pool(64, 1.0, 0.3, pooled_share=0).saved == pytest.approx(0)


def test_a_pool_of_four_halves_the_reserve():
    p = future.memory_pool(4, 100.0, 20.0, risk=0.01)
    assert p.alone == pytest.approx(100 + 2.3263 * 20, rel=1e-4)
    assert p.total == pytest.approx(100 + 2.3263 * 10, rel=1e-4)


@given(st.integers(1, 200), st.floats(0, 1), st.floats(0, 1), st.floats(0.0, 1.0))
def test_pools_save_between_nothing_and_all_that_is_stranded(n, deviation, correlation, share):
    p = future.memory_pool(n, 1.0, deviation, correlation=correlation, pooled_share=share)
    assert -1e-12 <= p.saved <= p.stranded_alone + 1e-12
    assert future.memory_pool(n + 1, 1.0, deviation, correlation=correlation, pooled_share=share).saved >= (
        p.saved - 1e-12
    )


@pytest.mark.parametrize("correlation", [0.0, 0.4, 1.0])
def test_the_simulated_pool_is_near_the_formula(correlation):
    drawn = future.simulate_pool(16, 1.0, 0.15, correlation=correlation, draws=100_000)
    said = future.memory_pool(16, 1.0, 0.15, correlation=correlation)
    assert drawn.alone == pytest.approx(said.alone, rel=0.04)
    assert drawn.total == pytest.approx(said.total, rel=0.04)


def test_a_pool_of_16_at_half_share_saves_about_what_azure_published():
    stranded = future.published("memory stranded in a cloud, at most")
    deviation = stranded / (1 - stranded) / 2.3263  # so that a quarter is stranded where each stands alone
    p = future.memory_pool(16, 1.0, deviation, pooled_share=0.5)
    assert p.stranded_alone == pytest.approx(stranded, rel=1e-3)
    assert p.saved == pytest.approx(future.published("memory saved by a pool in a cloud"), rel=0.1)


# --- Joules --------------------------------------------------------------------------------------------------------


def test_at_one_flop_a_byte_nearly_all_energy_is_memory():
    e = future.energy_per_flop(H100, 1.0)
    assert e.memory == pytest.approx(energy.byte_energy(H100), abs=0)
    assert e.arithmetic == pytest.approx(energy.flop_energy(H100), abs=0)
    assert e.arithmetic / e.total < 0.01


@given(st.floats(0.1, 1e5), st.floats(1, 1e6))
def test_light_never_gains_more_than_amdahl_allows(intensity, gain):
    e = future.energy_per_flop(H100, intensity)
    light = future.analogue(e, gain)
    assert sum(e.breakdown.values()) == pytest.approx(e.total, abs=0)
    assert sum(light.breakdown.values()) == pytest.approx(light.total, abs=0)
    assert e.total / light.total <= 1 / (1 - e.arithmetic / e.total) * (1 + 1e-9)


def test_computing_in_memory_saves_the_bytes_where_light_saves_nothing():
    e = future.energy_per_flop(H100, 2.0)
    light, inside = future.analogue(e, 1e6), future.analogue(e, 1, 1e6)
    assert e.total / light.total < 1.02
    assert inside.memory < 1e-3 * inside.total
    # by hand: 2 pJ a pair of conversions, 64 x 64 products of two FLOP for 64 pairs
    assert inside.conversion == pytest.approx(2e-12 / 128, abs=0)


def test_a_flop_of_a_busy_h100_costs_its_watts_over_its_rate():
    e = future.energy_per_flop(H100, 1e6)
    assert 700 / 989e12 < e.total < 700 / 800e12  # 700 W at boost clock's peak, and at the clock that is left


def test_bits_by_hand():
    bits = future.bit_energies(H100)
    assert bits["stacked memory"] == pytest.approx(energy.byte_energy(H100) / 8, abs=0)
    assert bits["pluggable optics"] == pytest.approx(30 / 1.6e12, abs=0)


# --- What a state takes --------------------------------------------------------------------------------------------


def test_published_simulations_hold_the_memory_they_say():
    by_name = {s.machine: s for s in future.simulations()}
    cori, jupiter = by_name["Cori II"], by_name["JUPITER"]
    assert future.state_bytes(cori.qubits, cori.bytes_per_amplitude) == pytest.approx(0.5e15, rel=0.15)
    assert future.state_bytes(jupiter.qubits, jupiter.bytes_per_amplitude) == pytest.approx(2e15, rel=0.15)
    assert all(s.qubits <= 50 for s in by_name.values() if s.full_state)


@given(st.integers(1, 900), st.sampled_from([1.0, 2.0, 8.0, 16.0]))
def test_most_qubits_is_the_inverse_of_state_bytes(n, size):
    assert future.most_qubits(future.state_bytes(n, size), size) == n
    assert future.most_qubits(future.state_bytes(n, size) * 0.999, size) == n - 1


def test_a_gate_on_30_qubits_reads_and_writes_16_gib():
    assert future.gate_time(30, 3.35e12) == pytest.approx(2 * 16 * 2**30 / 3.35e12)
    # four devices, 32 qubits: the same share each; 2 of 32 qubits send half of 16 GiB at 450 GB/s
    assert future.gate_time(32, 3.35e12, 4, 450e9) == pytest.approx(
        2 * 16 * 2**30 / 3.35e12 + 2 / 32 * 8 * 2**30 / 450e9
    )
    with pytest.raises(ValueError, match="power of two"):
        future.gate_time(32, 3.35e12, 6)


def test_grover_pays_from_a_hundred_million_steps():
    assert future.crossover(1e-9, 1e-5)[0] == pytest.approx(1e8)  # (1e4)^2
    assert future.crossover(1e-9, 1e-5, power=4)[0] == pytest.approx(1e4 ** (4 / 3))


@given(st.floats(1e-16, 1e-6), st.floats(1e-9, 1e-2), st.floats(1.1, 8), st.floats(0, 1e6))
def test_at_the_crossover_both_take_as_long(classical, quantum, power, loading):
    steps, seconds = future.crossover(classical, quantum, power, loading)
    if steps > 1.0001:
        assert seconds == pytest.approx(np.exp(np.log(steps) / power) * quantum + loading, rel=1e-6)


def test_one_more_digit_takes_a_hundred_times_the_shots():
    assert future.shots(0.001) == pytest.approx(100 * future.shots(0.01))


# --- The simulator -------------------------------------------------------------------------------------------------


def dense(gate, qubits):
    """The gate as a matrix of 2^qubits rows: Kronecker products, the slow and certain way."""
    zero, one, same = np.diag([1, 0]), np.diag([0, 1]), np.eye(2)

    def product(factors):
        out = np.eye(1)
        for k in range(qubits):
            out = np.kron(out, factors.get(k, same))
        return out

    if gate.control is None:
        return product({gate.target: gate.matrix()})
    return product({gate.control: zero}) + product({gate.control: one, gate.target: gate.matrix()})


def gates(qubits):
    pairs = st.permutations(range(qubits))
    return st.builds(
        lambda name, order, controlled, angle: future.Gate(name, order[0], order[1] if controlled else None, angle),
        st.sampled_from(future.GATES), pairs, st.booleans(), st.floats(-7, 7),
    )  # fmt: skip


@settings(max_examples=60)
@given(st.lists(gates(3), max_size=12), st.integers(0, 1000))
def test_three_qubits_agree_with_dense_matrices_and_keep_their_length(circuit, seed):
    random = np.random.default_rng(seed)
    start = random.normal(size=8) + 1j * random.normal(size=8)
    start /= np.linalg.norm(start)
    expected = start
    for gate in circuit:
        expected = dense(gate, 3) @ expected
    found = future.run(circuit, 3, start)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert future.probabilities(found).sum() == pytest.approx(1)


def test_bell_and_ghz_states():
    np.testing.assert_allclose(future.run(future.ghz(2), 2), np.array([1, 0, 0, 1]) / np.sqrt(2), atol=1e-15)
    state = future.run(future.ghz(10), 10)
    assert future.probabilities(state)[[0, -1]] == pytest.approx([0.5, 0.5])
    assert np.count_nonzero(state) == 2


def test_reading_a_ghz_state_gives_all_zeros_or_all_ones():
    counts = future.read(future.run(future.ghz(5), 5), 1000, seed=1)
    assert set(counts) == {"00000", "11111"}
    assert sum(counts.values()) == 1000
    assert abs(counts["00000"] - 500) < 5 * np.sqrt(250)


def test_the_quantum_fourier_transform_is_the_inverse_fft():
    random = np.random.default_rng(3)
    start = random.normal(size=32) + 1j * random.normal(size=32)
    np.testing.assert_allclose(future.run(future.fourier(5), 5, start), np.fft.ifft(start) * np.sqrt(32), atol=1e-12)


def test_grover_follows_its_formula():
    found = future.grover(8, 77, 20)
    expected = np.sin((2 * np.arange(21) + 1) * np.arcsin(2**-4)) ** 2
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.argmax() == 12  # pi / 4 x 16 = 12.6


def test_the_input_is_left_as_it_was():
    state = future.zero_state(3)
    future.apply(state, future.Gate("H", 1))
    assert state[0] == 1
    assert np.count_nonzero(state) == 1


def test_time_gates_keeps_what_was_done_when_stopped():
    def stop(done, total):
        stop.calls += 1
        assert 0 < done <= total
        if stop.calls == 3:
            raise KeyboardInterrupt

    stop.calls = 0
    ticks = iter(range(100_000))
    timed = future.time_gates(4, 9, clock=lambda: float(next(ticks)), progress=stop)
    assert timed.qubits.tolist() == [4, 5, 6]
    assert not timed.complete
    # The clock ticks once a round, which is the same gates 64 times over.
    assert timed.seconds.tolist() == [1 / (64 * (2 * n - 1)) for n in (4, 5, 6)]
    assert future.time_gates(4, 6).complete


def test_a_run_needs_no_more_memory_than_it_says():
    tracemalloc.start()
    timed = future.time_gates(16, 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.6 < peak / timed.peak_bytes[0] < 1.02


def test_the_kept_run_doubles_where_the_state_outgrows_the_cache():
    kept = future.kept()
    late = kept.seconds[kept.qubits >= 18]
    growth = (late[-1] / late[0]) ** (1 / (late.size - 1))
    assert growth == pytest.approx(2, rel=0.15)


# --- Trends --------------------------------------------------------------------------------------------------------


def test_a_trend_finds_the_doubling_time_that_was_put_in():
    random = np.random.default_rng(0)
    years = np.repeat(np.arange(2010, 2026), 4)
    values = 2 ** ((years - 2010) / 2.3 + 0.5 * random.normal(size=years.size))
    g = future.growth(years, values)
    assert g.doubling_years == pytest.approx(2.3, rel=0.1)
    assert g.doubling_low < 2.3 < g.doubling_high
    low, high = g.band(years)
    assert 0.85 < np.mean((values > low) & (values < high)) <= 1


def test_the_interval_of_the_doubling_time_holds_the_truth_19_times_in_20():
    random, hits, years = np.random.default_rng(1), 0, np.arange(8.0)
    for _ in range(400):
        g = future.growth(years, 2 ** (years / 3 + 0.3 * random.normal(size=8)))
        hits += g.doubling_low < 3 < g.doubling_high
    assert 0.92 < hits / 400 < 0.98


def test_students_quantile():
    from dcserver.future.trends import _student

    assert _student(0.95, 5) == pytest.approx(2.571, rel=0.002)
    assert _student(0.95, 30) == pytest.approx(2.042, rel=0.001)


def test_noise_shows_no_growth():
    g = future.growth([2020, 2021, 2022, 2023, 2024], [3.0, 1.0, 3.0, 1.0, 3.0])
    assert g.doubling_high == np.inf
    falling = future.growth([2020, 2021, 2022, 2023], [8, 4, 2.1, 1])
    assert falling.doubling_years == pytest.approx(-1, rel=0.05)


def test_records_beat_all_before():
    assert future.records([2020, 2018, 2019, 2020], [5, 3, 2, 6]).tolist() == [False, True, False, True]


# --- Boundaries, broadcasting, sources -------------------------------------------------------------------------------


def test_arrays_give_what_a_loop_gives():
    areas, dies = np.array([100.0, 400.0, 800.0]) * MM2, np.array([[1], [2], [8]])
    together = future.package(areas, dies).total
    assert together.shape == (3, 3)
    for i in range(3):
        for j in range(3):
            assert together[i, j] == pytest.approx(future.package(areas[j], int(dies[i, 0])).total)
    pools = future.memory_pool(dies, 1.0, [0.1, 0.2, 0.3]).saved
    assert pools[2, 1] == pytest.approx(future.memory_pool(8, 1.0, 0.2).saved)
    times = future.gate_time([30, 31], 1e12, [[1], [4]], 1e11)
    assert times[1, 0] == pytest.approx(future.gate_time(30, 1e12, 4, 1e11))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: future.die_yield(-1), "area=-1"),
        (lambda: future.die_yield(1e-4, model="poison"), "Poisson"),
        (lambda: future.package(1e-4, 1.5), "dies=1.5"),
        (lambda: future.package(0.09), "holds not one"),
        (lambda: future.package(1e-4, bond_yield=1.2), "bond_yield=1.2"),
        (lambda: future.memory_pool(4, 1.0, 0.1, risk=0), "risk=0"),
        (lambda: future.memory_pool(4, 1.0, 0.1, correlation=2), "correlation=2"),
        (lambda: future.state_bytes(2.5), "qubits=2.5"),
        (lambda: future.zero_state(40), "28"),
        (lambda: future.apply(np.ones(3), future.Gate("H", 0)), "2, 4, 8"),
        (lambda: future.apply(future.zero_state(2), future.Gate("H", 2)), "target=2"),
        (lambda: future.apply(future.zero_state(2), future.Gate("X", 1, 1)), "target itself"),
        (lambda: future.apply(future.zero_state(2), future.Gate("Y", 1)), "name='Y'"),
        (lambda: future.grover(2, 4, 1), "marked=4"),
        (lambda: future.crossover(1, 1, power=1), "power_above_1"),
        (lambda: future.growth([2020, 2021, 2022], [1, 2, 3]), "at least four"),
        (lambda: future.growth([2020, 2021, 2022, 2023], [1, 2, 3, 0]), "values=0"),
        (lambda: future.energy_per_flop(H100, 0), "intensity=0"),
        (lambda: future.published("cost of four EPIC dies"), "not one of"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("name", ["outlook", "quantum_simulations"])
def test_every_published_figure_has_a_source(name):
    for row in rows_of("data", name):
        assert row["source"], row
        assert row["source_address"], row
        assert row["confidence"] in CONFIDENCE


def test_constants_lie_within_their_bounds():
    file = resources.files("dcserver.catalog") / "constants" / "future.csv"
    for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()):
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"]), row
        assert row["meaning"], row


@pytest.mark.parametrize(
    "name", ["chips", "facts", "light", "pooling", "quantum", "statevector", "circuits", "gate_times", "trends"]
)
def test_examples_in_the_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(f"dcserver.future.{name}")).failed == 0
