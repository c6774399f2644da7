"""What comes next, worked out by hand: a package's bill, a pool's bytes, a trend's band, gates and joules."""

import math

import numpy as np
import pytest

from dcserver import catalog, compute, energy, future

H100 = catalog.accelerator("H100 SXM")
# Round figures in the place of the catalog's, so that whoever forgets to hand them on is seen.
OTHER = {"defect_density": 1000.0, "defect_clustering": 2.0, "wafer_diameter": 0.2, "wafer_price": 6000.0,
         "bond_yield": 0.9, "die_to_die_share": 0.25, "packaging_per_area": 1e5, "bonding_price": 3.0,
         "reticle_area": 1.25e-4, "photonic_array": 8.0, "converter_energy": 32.0, "die_to_die_bit": 1.0,
         "optics_copackaged_bit": 2.0, "optics_pluggable_bit": 3.0}  # fmt: skip


def fails(call, words):
    with pytest.raises(ValueError, match=words):
        call()


class TestChips:
    def test_yields_of_arrays_are_those_of_the_elements(self):
        areas = np.array([0.0, 1e-4, 4e-4])
        for model in future.YIELD_MODELS:
            found = future.die_yield(areas, 1e4, model)
            assert found == pytest.approx([future.die_yield(a, 1e4, model) for a in areas])
            assert found[0] == 1 > found[1] > found[2]

    def test_density_and_clusters_are_the_catalogs_if_not_given(self):
        # A tenth of a defect on the die, clustered by 2: (1 + 0.05)^-2.
        assert future.die_yield(1e-4, constants=OTHER) == pytest.approx(1.05**-2)
        assert future.die_yield(1e-4, 2000, constants=OTHER) == pytest.approx(1.1**-2)
        assert future.die_yield(1e-4, clustering=1, constants=OTHER) == pytest.approx(1 / 1.1)
        assert future.die_yield(1e-4, model="Poisson", constants=OTHER) == pytest.approx(math.exp(-0.1))

    def test_dies_of_a_wafer_by_hand(self):
        # 20 cm across and dies of 2 cm2: 100 pi / 2 of them, less 20 pi / sqrt(4) at the rim.
        assert future.dies_per_wafer(2e-4, 0.2) == pytest.approx(50 * math.pi - 10 * math.pi)
        assert future.dies_per_wafer(2e-4, constants=OTHER) == pytest.approx(40 * math.pi)
        assert future.dies_per_wafer(2e-4, 0.4, OTHER) == pytest.approx(200 * math.pi - 20 * math.pi)
        assert future.dies_per_wafer(0.02, 0.1) == 0  # larger than the wafer: none, and not fewer
        assert future.dies_per_wafer(814e-6) == future.dies_per_wafer(814e-6, 0.3)

    def test_a_package_of_four_by_hand(self):
        # 4 cm2 of logic on four dies, each a quarter larger for its links: 1.25 cm2, just what one exposure prints.
        die = 1.25e-4
        per_wafer = math.pi * 0.1**2 / die - math.pi * 0.2 / math.sqrt(2 * die)
        good = (1 + 0.125 / 2) ** -2
        packaging = 1e5 * 4 * die + 4 * 3.0
        for known_good, silicon, works in (
            (True, 4 * 6000 / (per_wafer * good), 0.9**4),
            (False, 4 * 6000 / per_wafer, 0.9**4 * good**4),
        ):
            p = future.package(4e-4, 4, known_good=known_good, constants=OTHER)
            assert p.die_area == pytest.approx(die)
            assert p.die_yield == pytest.approx(good)
            assert p.good_share == pytest.approx(works)
            assert p.silicon == pytest.approx(silicon)
            assert p.packaging == pytest.approx(packaging)
            assert p.total == pytest.approx((silicon + packaging) / works)
            assert p.lost == pytest.approx(p.total - silicon - packaging)

    def test_one_die_needs_no_links(self):
        alone = future.package(1.25e-4, constants=OTHER)
        assert alone.die_area == 1.25e-4
        assert alone.fits_reticle  # as large as one exposure prints
        assert not future.package(1.26e-4, constants=OTHER).fits_reticle
        assert alone.good_share == pytest.approx(0.9)

    def test_what_is_given_goes_before_the_catalogs(self):
        base = future.package(4e-4, 4, constants=OTHER)
        assert future.package(4e-4, 4, wafer_price=12_000, constants=OTHER).silicon == pytest.approx(2 * base.silicon)
        assert future.package(4e-4, 4, bond_yield=1.0, constants=OTHER).lost == pytest.approx(0, abs=1e-9)
        assert future.package(4e-4, 4, die_to_die_share=0, constants=OTHER).die_area == pytest.approx(1e-4)
        assert future.package(4e-4, 4, 0, constants=OTHER).die_yield == 1
        poisson = future.package(4e-4, 4, model="Poisson", constants=OTHER)
        assert poisson.die_yield == pytest.approx(math.exp(-0.125))
        assert future.package(4e-4, 4).total == pytest.approx(
            future.package(4e-4, 4, constants=catalog.constants("future"), known_good=True).total
        )

    def test_every_field_has_the_shape_of_the_inputs(self):
        many = future.package(np.array([1e-4, 4e-4]), np.array([[1], [2], [4]]), known_good=np.array([True, False]))
        for name in ("total", "silicon", "packaging", "lost", "die_area", "die_yield", "good_share", "fits_reticle"):
            assert getattr(many, name).shape == (3, 2)
            alone = future.package(4e-4, 4, known_good=False)
            assert getattr(many, name)[2, 1] == pytest.approx(getattr(alone, name))

    def test_stacks_by_hand(self):
        # Two stacks of 2,048 pins at 8 Gb/s: 4,096 GB/s. HBM3's 1,024 pins at 6.4 Gb/s are the usual: 819.2 GB/s.
        assert future.stacked_bandwidth(2, 2048, 8e9) == 4096e9
        assert future.stacked_bandwidth(1) == pytest.approx(819.2e9)
        assert future.stacked_bandwidth(np.array([1, 8])).tolist() == pytest.approx([819.2e9, 8 * 819.2e9])

    def test_bad_input_is_named(self):
        fails(lambda: future.die_yield(1, -1), "defect_density=-1")
        fails(lambda: future.die_yield(1, clustering=0), "clustering=0")
        fails(lambda: future.dies_per_wafer(0), "area=0")
        fails(lambda: future.dies_per_wafer(1, 0), "diameter=0")
        fails(lambda: future.package(0), "area=0")
        fails(lambda: future.package(1e-4, 0), "dies=0")
        fails(lambda: future.package(1e-4, wafer_price=0), "wafer_price=0")
        fails(lambda: future.package(1e-4, bond_yield=0), "bond_yield=0")
        fails(lambda: future.package(1e-4, die_to_die_share=-1), "die_to_die_share=-1")
        fails(lambda: future.package(1e-4, model="poison"), "Poisson")
        fails(lambda: future.stacked_bandwidth(0), "stacks=0")
        fails(lambda: future.stacked_bandwidth(1, 1.5), "pins=1.5")
        fails(lambda: future.stacked_bandwidth(1, bit_rate=0), "bit_rate=0")


class TestPools:
    def test_half_a_pool_by_hand(self):
        # 16 servers of 100 +- 20, a quarter of each in the pool. 0.8413 of a normal lies below one deviation.
        p = future.memory_pool(16, 100.0, 20.0, risk=1 - 0.8413447460685429, pooled_share=0.25)
        local, pooled = 0.75 * 120, 0.25 * (100 + 20 / 4)
        assert (p.alone, p.local, p.pooled) == pytest.approx((120, local, pooled))
        assert p.total == pytest.approx(local + pooled)
        assert p.saved == pytest.approx(1 - (local + pooled) / 120)
        assert p.stranded_alone == pytest.approx(1 - 100 / 120)
        assert p.stranded == pytest.approx(1 - 100 / (local + pooled))

    def test_servers_that_move_together_a_little_by_hand(self):
        # sqrt((1 + 3 x 0.25) / 4) of the reserve
        p = future.memory_pool(4, 100.0, 20.0, risk=1 - 0.8413447460685429, correlation=0.25)
        assert p.total == pytest.approx(100 + 20 * math.sqrt(1.75 / 4))

    def test_one_in_a_hundred_nothing_in_common_and_all_pooled_are_the_usual(self):
        assert future.memory_pool(4, 1.0, 0.2) == future.memory_pool(4, 1.0, 0.2, 0.01, 0.0, 1.0)
        assert future.simulate_pool(4, 1.0, 0.2) == future.simulate_pool(4, 1.0, 0.2, 0.01, 0.0, 1.0, 20_000, 0)

    def test_arrays_of_risks_and_shares(self):
        many = future.memory_pool(
            4, 100.0, 20.0, risk=np.array([[0.01], [0.5]]), pooled_share=np.array([0.0, 0.5, 1.0])
        )
        for name in ("alone", "local", "pooled", "total", "saved", "stranded_alone", "stranded"):
            assert getattr(many, name).shape == (2, 3)
            alone = future.memory_pool(4, 100.0, 20.0, risk=0.01, pooled_share=0.5)
            assert getattr(many, name)[0, 1] == pytest.approx(getattr(alone, name))
        assert many.alone[1] == pytest.approx([100] * 3)  # half of the time: no reserve at all

    def test_a_simulated_server_as_uneven_as_its_mean_is_exponential(self):
        # A gamma whose deviation is its mean: one time in a hundred it exceeds ln(100) = 4.6 times that.
        drawn = future.simulate_pool(1, 2.0, 2.0, risk=0.01, draws=200_000)
        assert drawn.alone == pytest.approx(2 * math.log(100), rel=0.02)
        assert drawn.total == drawn.alone
        assert drawn.saved == 0

    def test_simulated_parts_by_their_names(self):
        p = future.simulate_pool(16, 10.0, 3.0, pooled_share=0.25)
        whole = future.simulate_pool(16, 10.0, 3.0)
        assert p.alone == whole.alone > whole.total > 10
        assert p.local == pytest.approx(0.75 * p.alone)
        assert p.pooled == pytest.approx(0.25 * whole.total)
        assert p.total == pytest.approx(p.local + p.pooled)
        assert p.saved == pytest.approx(1 - p.total / p.alone)
        assert p.stranded_alone == pytest.approx(1 - 10 / p.alone)
        assert p.stranded == pytest.approx(1 - 10 / p.total)

    def test_simulated_servers_that_move_as_one_save_nothing_and_half_as_one_a_little(self):
        saved = [future.simulate_pool(16, 1.0, 0.3, correlation=c, seed=2).saved for c in (0, 0.5, 1)]
        assert saved[0] > saved[1] > saved[2] == 0

    def test_luck_is_that_of_the_seed(self):
        first, again, other = (future.simulate_pool(4, 1.0, 0.3, seed=s) for s in (1, 1, 2))
        assert first == again != other

    def test_bad_input_is_named(self):
        for pool in (future.memory_pool, future.simulate_pool):
            fails(lambda pool=pool: pool(1.5, 1.0, 0.1), "servers=1.5")
            fails(lambda pool=pool: pool(4, 0.0, 0.1), "mean=0")
            fails(lambda pool=pool: pool(4, 1.0, -0.1), "deviation=-0.1")
            fails(lambda pool=pool: pool(4, 1.0, 0.1, risk=0), "risk=0")
            fails(lambda pool=pool: pool(4, 1.0, 0.1, risk=0.6), "risk=0.6")
            fails(lambda pool=pool: pool(4, 1.0, 0.1, correlation=-0.1), "correlation=-0.1")
            fails(lambda pool=pool: pool(4, 1.0, 0.1, pooled_share=1.1), "pooled_share=1.1")
        fails(lambda: future.simulate_pool(4, 1.0, 0.0), "deviation=0")
        fails(lambda: future.simulate_pool(4, 1.0, 0.1, draws=0), "draws=0")


class TestJoules:
    BUDGET = future.FlopEnergy(total=17.0, arithmetic=8.0, conversion=0.0, memory=6.0, standing=3.0)

    def test_light_by_hand(self):
        # A 16th of what two conversions need (32 J over 2 x 8), a quarter of the products, half of the bytes.
        light = future.analogue(self.BUDGET, 4.0, 2.0, constants=OTHER)
        assert light.breakdown == pytest.approx({"arithmetic": 2, "conversion": 2, "memory": 3, "standing": 3})
        assert light.total == pytest.approx(10)
        assert future.analogue(self.BUDGET, 4.0, 2.0, array=16, constants=OTHER).conversion == pytest.approx(1)
        assert future.analogue(self.BUDGET, 4.0, 2.0, converter_energy=16, constants=OTHER).conversion == 1

    def test_without_a_gain_only_conversions_are_added(self):
        same = future.analogue(self.BUDGET, constants=OTHER)
        assert same.total == pytest.approx(17 + 2)
        assert (same.arithmetic, same.memory, same.standing) == (8, 6, 3)
        many = future.analogue(self.BUDGET, np.array([1, 2, 4]), constants=OTHER)
        assert many.total == pytest.approx([19, 15, 13])
        assert many.memory.shape == many.conversion.shape == (3,)

    @pytest.mark.parametrize("dtype", ["bf16", "fp8"])
    @pytest.mark.parametrize("intensity", [2.0, 1e7])
    def test_joules_times_rate_are_the_watts(self, dtype, intensity):
        # Far from the ridge one of the two is busy all the time, the other next to nothing.
        e = future.energy_per_flop(H100, intensity, dtype)
        wanted = compute.roofline(H100, intensity, dtype)
        used = wanted / H100.peak(dtype), wanted / intensity / H100.memory_bandwidth
        p = energy.operating_point(H100, *used, dtype=dtype)
        rate = wanted * p.clock_ratio
        assert e.total * rate == pytest.approx(p.total, rel=1e-3)
        assert e.arithmetic * rate == pytest.approx(p.compute)
        assert e.standing * rate == pytest.approx(p.static + p.active)
        assert e.memory * wanted == pytest.approx(p.memory)
        assert e.conversion == 0

    def test_half_precision_is_the_usual_and_arrays_are_the_loop(self):
        many = future.energy_per_flop(H100, np.array([1.0, 300.0, 1e4]))
        for i, intensity in enumerate((1.0, 300.0, 1e4)):
            alone = future.energy_per_flop(H100, intensity, "bf16")
            for name in ("total", "arithmetic", "conversion", "memory", "standing"):
                assert getattr(many, name)[i] == pytest.approx(getattr(alone, name), abs=0)

    def test_bits_by_the_way_they_go(self):
        bits = future.bit_energies(H100, OTHER)
        assert (bits["die to die"], bits["optics beside the chip"], bits["pluggable optics"]) == (1, 2, 3)
        assert list(future.bit_energies(H100)) == list(bits)
        known = list(future.bit_energies(H100).values())
        assert known == sorted(known)  # nearest first

    def test_bad_input_is_named(self):
        fails(lambda: future.energy_per_flop(H100, -1), "intensity=-1")
        for name in ("arithmetic_gain", "memory_gain", "array", "converter_energy"):
            fails(lambda name=name: future.analogue(self.BUDGET, **{name: 0}), f"{name}=0")


class TestStates:
    def test_bytes_and_qubits_by_hand(self):
        assert future.state_bytes(1) == 2 * 16
        assert future.state_bytes(10, 8) == 8192
        assert future.state_bytes(np.array([1, 2, 3])).tolist() == [32, 64, 128]
        assert np.isfinite(future.state_bytes(1000))
        # 31 bytes hold one amplitude, so no qubit; 32 hold two.
        assert future.most_qubits(np.array([15, 31, 32, 63, 64])).tolist() == [0, 0, 1, 1, 2]
        assert future.most_qubits(64, 8) == 3
        assert isinstance(future.most_qubits(64), int)

    def test_every_gate_on_few_qubits_goes_over_the_link_at_most(self):
        # One qubit on four devices: it chooses the device, so each gate sends half a share; 32 B / 4 = 8 B a share.
        assert future.gate_time(1, 2.0, 4, 4.0) == pytest.approx(2 * 8 / 2.0 + 8 / 2 / 4.0)
        # Half of four qubits choose one of four devices: 4 qubits of 16 B are 256 B, 64 B a share.
        assert future.gate_time(4, 2.0, 4, 4.0) == pytest.approx(2 * 64 / 2.0 + 0.5 * 64 / 2 / 4.0)
        assert future.gate_time(4, 2.0, 4) == pytest.approx(2 * 64 / 2.0)  # a link that takes no time
        assert future.gate_time(4, 2.0, bytes_per_amplitude=8) == pytest.approx(2 * 128 / 2.0)
        assert future.gate_time(4, 2.0) == pytest.approx(2 * 256 / 2.0)

    def test_shots_by_hand(self):
        assert future.shots(0.01, 0.1) == pytest.approx(0.1 * 0.9 / 1e-4)
        assert future.shots(0.01, 0) == future.shots(0.01, 1) == 0
        assert future.shots(0.1) == pytest.approx(25)
        assert future.shots(np.array([0.1, 0.01])) == pytest.approx([25, 2500])

    def test_the_crossover_with_loading_by_hand(self):
        # N seconds against 10 sqrt(N) + 200: with sqrt(N) = 20 both take 400. Without loading N = 100.
        assert future.crossover(1.0, 10.0, 2.0, 200.0) == pytest.approx((400, 400))
        assert future.crossover(1.0, 10.0) == pytest.approx((100, 100))
        assert future.crossover(2.0, 20.0) == pytest.approx((100, 200))
        steps, seconds = future.crossover(1.0, 10.0, 2.0, np.array([0.0, 200.0, 1e12]))
        assert steps[:2] == pytest.approx([100, 400])
        assert steps[2] == pytest.approx(1e12, rel=1e-4)  # then loading is all
        assert seconds == pytest.approx(steps)

    def test_a_quantum_machine_with_the_faster_step_pays_from_the_first_one(self):
        assert future.crossover(1.0, 0.5)[0] == pytest.approx(1)

    def test_bad_input_is_named(self):
        fails(lambda: future.state_bytes(0), "qubits=0")
        fails(lambda: future.state_bytes(1001), "qubits=1001")
        fails(lambda: future.state_bytes(1, 0), "bytes_per_amplitude=0")
        fails(lambda: future.most_qubits(0), "memory=0")
        fails(lambda: future.most_qubits(1, 0), "bytes_per_amplitude=0")
        fails(lambda: future.gate_time(4, 0), "memory_bandwidth=0")
        fails(lambda: future.gate_time(4, 1, 2, 0), "link_bandwidth=0")
        fails(lambda: future.gate_time(4, 1, 0), "devices=0")
        fails(lambda: future.gate_time(4, 1, 1.5), "devices=1.5")
        fails(lambda: future.shots(0), "error=0")
        fails(lambda: future.shots(0.1, 1.1), "probability=1.1")
        fails(lambda: future.crossover(0, 1), "classical_step=0")
        fails(lambda: future.crossover(1, 0), "quantum_step=0")
        fails(lambda: future.crossover(1, 1, loading=-1), "loading=-1")


class TestSimulator:
    def test_gates_as_matrices(self):
        assert future.Gate("X", 0).matrix().tolist() == [[0, 1], [1, 0]]
        half = 1 / math.sqrt(2)
        np.testing.assert_allclose(future.Gate("H", 0).matrix(), [[half, half], [half, -half]])
        np.testing.assert_allclose(future.Gate("phase", 0, angle=math.pi / 2).matrix(), [[1, 0], [0, 1j]], atol=1e-15)
        np.testing.assert_allclose(future.Gate("phase", 0).matrix(), np.eye(2))  # a turn by nothing

    def test_a_controlled_gate_acts_where_the_control_is_one_whichever_is_first(self):
        # Qubit 0 is the leftmost bit: amplitude 4 is 100.
        for control, target, before, after in ((0, 2, 0b100, 0b101), (2, 0, 0b001, 0b101), (1, 0, 0b010, 0b110)):
            state = np.zeros(8, dtype=complex)
            state[before] = 1
            assert future.apply(state, future.cnot(control, target)).argmax() == after
            off = future.zero_state(3)
            assert future.apply(off, future.cnot(control, target)).argmax() == 0
            assert off[0] == 1

    def test_a_run_starts_at_zero_or_where_it_is_told_and_leaves_the_start_alone(self):
        start = np.array([0, 0, 0, 1.0])
        assert future.run([future.Gate("X", 0)], 2).argmax() == 0b10
        assert future.run([future.Gate("X", 0)], 2, start).argmax() == 0b01
        assert start.tolist() == [0, 0, 0, 1]
        assert future.run([], 2).tolist() == future.zero_state(2).tolist() == [1, 0, 0, 0]

    def test_probabilities_are_squares_of_both_parts(self):
        assert future.probabilities(np.array([0.6j, 0.8])) == pytest.approx([0.36, 0.64])
        assert future.probabilities(np.array([0.6 + 0.8j, 0])) == pytest.approx([1, 0])

    def test_readings_come_most_frequent_first_and_sum_to_the_shots(self):
        state = np.sqrt(np.array([0.1, 0.0, 0.2, 0.7]))
        counts = future.read(state, 10_000, seed=5)
        assert list(counts) == ["11", "10", "00"]  # what never comes is left out
        assert sum(counts.values()) == 10_000
        assert counts["11"] == pytest.approx(7000, abs=5 * math.sqrt(10_000 * 0.7 * 0.3))
        assert counts == future.read(state, 10_000, 5) != future.read(state, 10_000, 6)
        assert future.read(state, 100) == future.read(state, 100, 0)
        assert sum(future.read(state).values()) == 1  # once, if nothing is said
        assert future.read(3 * state, 100) == future.read(state, 100)  # its length does not matter

    @pytest.mark.parametrize("qubits", [1, 2, 3, 6])
    def test_gates_of_the_fourier_transform_are_counted(self, qubits):
        # n (n + 1) / 2, of which n are H, and three for each swap.
        circuit = future.fourier(qubits)
        assert len(circuit) == qubits * (qubits + 1) // 2 + 3 * (qubits // 2)
        assert sum(g.name == "H" for g in circuit) == qubits
        start = np.arange(2.0**qubits) / np.linalg.norm(np.arange(2.0**qubits))
        np.testing.assert_allclose(
            future.run(circuit, qubits, start), np.fft.ifft(start) * 2 ** (qubits / 2), atol=1e-12
        )

    def test_ghz_of_one_is_a_coin(self):
        assert len(future.ghz(5)) == 5
        assert future.probabilities(future.run(future.ghz(1), 1)) == pytest.approx([0.5, 0.5])

    def test_a_search_of_four_places_finds_it_in_one_step(self):
        # asin(1 / 2) = 30 degrees, and three times that is 90: certain. Before it is one in four.
        for marked in range(4):
            assert future.grover(2, marked, 1) == pytest.approx([0.25, 1.0])
        assert future.grover(3, 0, 0) == pytest.approx([1 / 8])

    def test_bad_input_is_named(self):
        two, gate = future.zero_state(2), future.Gate
        fails(lambda: future.zero_state(0), "qubits=0")
        fails(lambda: future.zero_state(29), "qubits=29")
        fails(lambda: future.apply(two, gate("X", -1)), "target=-1")
        fails(lambda: future.apply(two, gate("X", 0, 2)), "control=2")
        fails(lambda: future.apply(two, gate("X", 0, -1)), "control=-1")
        fails(lambda: future.apply(two, gate("X", 0.5)), "target=0.5")
        fails(lambda: future.apply(np.ones((2, 2)), gate("X", 0)), "amplitudes in one row")
        fails(lambda: future.apply(np.ones(1), gate("X", 0)), "2, 4, 8")
        fails(lambda: future.run([gate("X", 2)], 2), "target=2")
        fails(lambda: future.run([], 3, two), "start has 4 amplitudes; 3 qubits have 8")
        fails(lambda: future.read(two, 0), "shots=0")
        fails(lambda: future.ghz(0), "qubits=0")
        fails(lambda: future.fourier(0), "qubits=0")
        fails(lambda: future.grover(2, -1, 1), "marked=-1")
        fails(lambda: future.grover(2, 0, -1), "steps=-1")
        fails(lambda: future.time_gates(0, 4), "smallest=0")
        fails(lambda: future.time_gates(4, 4.5), "largest=4.5")
        fails(lambda: future.time_gates(4, 29), "qubits=29")


class TestTiming:
    def test_the_fastest_of_three_rounds_counts(self):
        # Rounds of 7, 3 and 5 seconds: each the same 2 x 10 - 1 gates 2^(14 - 10) times over.
        moments = iter(np.cumsum([0, 7, 1, 3, 1, 5]).tolist())
        timed = future.time_gates(10, 10, clock=lambda: next(moments))
        assert timed.seconds == pytest.approx([3 / (19 * 16)])
        assert timed.complete
        assert timed.qubits.tolist() == [10]
        assert timed.peak_bytes.tolist() == [48 * 1024]

    def test_small_sizes_tell_once_and_what_is_told_sums_to_the_whole(self):
        told = []
        future.time_gates(12, 14, progress=lambda done, total: told.append((done, total)))
        # Amplitudes changed: 3 rounds of 2 n - 1 gates on 2^n amplitudes, 4, 2 and 1 times over.
        sizes = [3 * 4 * 23 * 2**12, 3 * 2 * 25 * 2**13, 3 * 1 * 27 * 2**14]
        assert told == [(sum(sizes[: k + 1]), sum(sizes)) for k in range(3)]

    def test_a_large_size_tells_after_each_gate(self):
        told, ticks = [], iter(range(10_000))
        timed = future.time_gates(18, 18, clock=lambda: float(next(ticks)), progress=lambda *now: told.append(now))
        gates = 2 * 18 - 1
        assert [done for done, _ in told] == [2**18 * k for k in range(1, 3 * gates + 1)] + [3 * gates * 2**18]
        assert timed.seconds == pytest.approx([1.0])  # the clock ticks once a gate

    def test_what_is_kept_is_whole(self):
        saved = future.kept()
        assert saved.complete
        assert np.issubdtype(saved.qubits.dtype, np.integer)
        assert saved.seconds.shape == saved.qubits.shape
        assert (saved.seconds > 0).all()
        assert saved.peak_bytes.tolist() == (48 * 2.0**saved.qubits).tolist()


class TestTrends:
    # Doublings 0, 1, 3, 4 in years 0 to 3: slope 7 / 5; the rest is 0.1, -0.3, 0.3, -0.1, squares 0.2 over 4 - 2.
    YEARS, VALUES = (2000, 2001, 2002, 2003), (1, 2, 8, 16)

    @staticmethod
    def student(confidence):
        """Exact for two degrees of freedom: P sqrt(2 / (1 - P^2))."""
        return confidence * math.sqrt(2 / (1 - confidence**2))

    def test_a_line_through_four_points_by_hand(self):
        g = future.growth(self.YEARS, self.VALUES, 0.5)
        assert (g.slope, g.level, g.middle, g.points) == pytest.approx((1.4, 2, 2001.5, 4))
        assert (g.spread, g.scatter) == pytest.approx((5, math.sqrt(0.1)))
        assert g.doubling_years == pytest.approx(1 / 1.4)
        assert g.a_year == pytest.approx(2**1.4)
        assert g.at(2001.5) == pytest.approx(4)
        assert g.at(np.array([2001.5, 2002.5])) == pytest.approx([4, 4 * 2**1.4])
        t = self.student(0.5)
        assert g.quantile == pytest.approx(t, rel=1e-3)
        assert g.doubling_low == pytest.approx(1 / (1.4 + t * math.sqrt(0.1 / 5)), rel=1e-3)
        assert g.doubling_high == pytest.approx(1 / (1.4 - t * math.sqrt(0.1 / 5)), rel=1e-3)

    def test_the_band_by_hand_is_narrowest_in_the_middle(self):
        g, t = future.growth(self.YEARS, self.VALUES, 0.5), self.student(0.5)
        for year in (2001.5, 2004, 2010):
            away = year - 2001.5
            width = t * math.sqrt(0.1) * math.sqrt(1 + 1 / 4 + away**2 / 5)
            low, high = g.band(year)
            assert math.log2(low) == pytest.approx(2 + 1.4 * away - width, rel=1e-3)
            assert math.log2(high) == pytest.approx(2 + 1.4 * away + width, rel=1e-3)

    def test_students_quantile_where_it_has_a_formula(self):
        from dcserver.future.trends import _student

        # Two degrees, the fewest that a trend can have; and so many that it is the normal one. The series is short.
        for confidence, close in ((0.5, 3e-4), (0.8, 5e-3), (0.9, 0.02)):
            assert _student(confidence, 2) == pytest.approx(self.student(confidence), rel=close)
        assert _student(0.95, 10**9) == pytest.approx(1.959964)
        # Tables: 0.99 at 10 degrees, 0.9 at 4.
        assert _student(0.99, 10) == pytest.approx(3.169, rel=2e-3)
        assert _student(0.9, 4) == pytest.approx(2.132, rel=2e-3)

    def test_more_confidence_is_a_wider_interval_and_19_in_20_the_usual(self):
        half, usual, said = (future.growth(self.YEARS, self.VALUES, *c) for c in ((0.5,), (), (0.95,)))
        assert usual == said
        assert usual.doubling_low < half.doubling_low < half.doubling_high < usual.doubling_high

    def test_a_trend_that_may_be_none_has_no_longest_doubling_time(self):
        g = future.growth([0, 1, 2, 3], [1, 4, 1, 4])
        assert g.doubling_high == np.inf
        # At the steeper end of the interval it doubles the soonest, be it upwards or downwards.
        edge = g.quantile * g.scatter / math.sqrt(g.spread)
        assert g.doubling_low == pytest.approx(1 / (abs(g.slope) + edge))
        fall = future.growth([0, 1, 2, 3], [4, 1, 4, 1])
        assert fall.doubling_low == pytest.approx(g.doubling_low)
        assert future.growth([0, 1, 2, 3], [1, 2, 2, 1]).doubling_years == np.inf

    def test_what_falls_has_both_ends_below_zero_in_order(self):
        g = future.growth(self.YEARS, [16, 8, 2, 1], 0.5)
        assert g.doubling_low < g.doubling_years == pytest.approx(-1 / 1.4)
        assert g.doubling_years < g.doubling_high < 0

    def test_records_take_the_best_of_a_year_and_must_beat_the_last(self):
        assert future.records([1, 1, 2, 3, 4], [5, 6, 6, 7, 1]).tolist() == [False, True, False, True, False]
        assert future.records([2, 1], [1, 5]).tolist() == [False, True]

    def test_bad_input_is_named(self):
        years = [0, 1, 2, 3]
        fails(lambda: future.growth(years, [1, 2, 3]), "not 4 and 3 numbers")
        fails(lambda: future.growth([[0, 1], [2, 3]], [[1, 2], [3, 4]]), "two lists of one length")
        fails(lambda: future.growth([1, 1, 1, 1], years), "values=0")
        fails(lambda: future.growth([1, 1, 1, 1], [1, 2, 3, 4]), "more than one year")
        fails(lambda: future.growth([0, 1, 2, np.inf], [1, 2, 3, 4]), "at least four")
        fails(lambda: future.growth(years, [1, 2, 3, 4], 0.4), "confidence=0.4")
        fails(lambda: future.growth(years, [1, 2, 3, 4], 1.0), "confidence=1")


def test_simulations_say_what_is_known_of_them():
    known = future.simulations()
    assert {s.full_state for s in known} == {True, False}
    for s in known:
        assert s.machine
        assert s.source
        assert 1990 < s.year < 2030
        assert s.qubits > 20
        assert np.isnan(s.bytes_per_amplitude) or 1 <= s.bytes_per_amplitude <= 16
    assert any(np.isnan(s.bytes_per_amplitude) for s in known)
