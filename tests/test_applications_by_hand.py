"""Applications worked out by hand with round numbers: demand over supply, an atmosphere, tests, pictures, proteins."""

import dataclasses
import math

import numpy as np
import pytest

from dcserver import applications, catalog, compute, energy, interconnect, memory
from dcserver.units import day, year

CLIMATE = catalog.application("climate")
H100 = catalog.accelerator("H100 SXM")
DGX, ORDINARY = catalog.server("DGX H100"), catalog.server("traditional server")
# Round figures in the place of the catalog's, so that whoever forgets to hand them on is seen.
C = catalog.constants("applications") | {
    "fastest_wind": 100.0, "cell_numbers": 50.0, "cell_passes": 4.0, "pass_flops": 3.0, "earth_area": 4e14,
    "rim_bytes": 10.0, "exchanges": 5.0, "fold_channels": 2.0, "fold_projections": 3.0, "fold_passes": 7.0,
    "fold_denoisings": 11.0,
}  # fmt: skip


class TestDemand:
    ROW = dataclasses.replace(
        CLIMATE, scale=10.0, deadline=100.0, flops=1e6, flops_exponent=3, traffic_bytes=2e6, traffic_exponent=2,
        resident_bytes=3e6, resident_exponent=1, network_bytes=4e6, network_exponent=0, storage_bytes=5e6,
        storage_exponent=-1,
    )  # fmt: skip

    def test_five_laws_by_hand(self):
        # Twice the reference: 8, 4, 2, 1 and half as much; all but what is held within 100 seconds.
        assert applications.demand(self.ROW, 20.0) == pytest.approx(
            {"compute": 8e4, "memory bandwidth": 8e4, "memory capacity": 6e6, "network": 4e4, "storage": 2.5e4}
        )
        assert applications.demand(self.ROW) == applications.demand(self.ROW, 10.0)
        many = applications.demand(self.ROW, np.array([10.0, 20.0]))
        assert many["compute"] == pytest.approx([1e4, 8e4])
        assert many["storage"] == pytest.approx([5e4, 2.5e4])


class TestSupply:
    def test_a_server_has_its_cards_links_and_drives(self):
        flops, bandwidth = applications.device_supply(H100, "bf16")
        there = applications.supply(DGX)
        assert list(there) == list(applications.RESOURCES)
        assert there["compute"] == pytest.approx(8 * flops)
        assert there["memory bandwidth"] == pytest.approx(8 * bandwidth)
        assert there["memory capacity"] == pytest.approx(8 * memory.capacity(H100))
        assert there["network"] == DGX.scale_out_bandwidth
        assert bandwidth == pytest.approx(compute.memory_bandwidth(H100, 0.67))
        assert flops == pytest.approx(compute.roofline(H100, 1e9, "bf16", measured=True), rel=1e-3)
        assert applications.device_supply(H100) == applications.device_supply(H100, "bf16")
        assert applications.device_supply(H100, "fp8")[0] > 1.5 * flops

    def test_a_server_without_cards_has_its_processors(self):
        c = catalog.constants("gemm") | {"cpu_memory_share": 0.5}
        flops, bandwidth = applications.device_supply(ORDINARY.cpu, "fp32", c)
        assert bandwidth == pytest.approx(ORDINARY.cpu.memory_bandwidth / 2)
        there = applications.supply(ORDINARY, "fp32", c)
        assert there["compute"] == pytest.approx(ORDINARY.cpus * flops)
        assert there["memory bandwidth"] == pytest.approx(ORDINARY.cpus * bandwidth)
        assert there["memory capacity"] == ORDINARY.memory_bytes

    def test_drives_of_the_usual_kind_where_only_their_number_is_known(self):
        counted = dataclasses.replace(DGX, drive_bandwidth=float("nan"), drives=3)
        assert applications.supply(counted)["storage"] == pytest.approx(3 * catalog.tier("NVMe SSD").read_bandwidth)
        known = dataclasses.replace(DGX, drive_bandwidth=1e9, drives=3)
        assert applications.supply(known)["storage"] == 1e9

    def test_given_constants_go_before_the_catalogs(self):
        slow = catalog.constants("gemm") | {"memory_share": catalog.constants("gemm")["memory_share"] / 2}
        usual = applications.supply(DGX)["memory bandwidth"]
        assert applications.supply(DGX, constants=slow)["memory bandwidth"] == pytest.approx(usual / 2, rel=0.05)
        one, two = (applications.size(CLIMATE, DGX, constants=c).ratios["memory bandwidth"] for c in (None, slow))
        assert two == pytest.approx(2 * one, rel=0.05)

    @pytest.mark.parametrize(("asked", "lacks", "found"), [
        ("int8", [], "int8"), ("int8", ["int8_ops"], "fp16"), ("int8", ["int8_ops", "fp16_flops"], "fp32"),
        ("bf16", [], "bf16"), ("bf16", ["bf16_flops"], "fp16"), ("bf16", ["bf16_flops", "fp16_flops"], "fp32"),
        ("fp16", [], "fp16"), ("fp16", ["fp16_flops"], "bf16"), ("fp16", ["fp16_flops", "bf16_flops"], "fp32"),
    ])  # fmt: skip
    def test_what_lacks_a_format_computes_in_the_next_wider(self, asked, lacks, found):
        device = dataclasses.replace(H100, **{f"peak_{name}": float("nan") for name in lacks})
        assert applications.device_supply(device, asked) == applications.device_supply(device, found)

    def test_what_a_server_lacks_is_named(self):
        none = float("nan")
        for changes, words in (
            ({"accelerator": None, "cpu": None}, "neither accelerators nor a processor"),
            ({"drive_bandwidth": none, "drives": none}, "drives_of_the_server"),
            ({"scale_out_links": none}, "network_of_the_server"),
        ):
            with pytest.raises(ValueError, match=words):
                applications.supply(dataclasses.replace(DGX, **changes))


class TestSize:
    def asking(self, resource, servers, **changes):
        """An application that needs so many servers' worth of one resource and hardly any of the others."""
        field = {"compute": "flops", "memory bandwidth": "traffic_bytes", "memory capacity": "resident_bytes",
                 "network": "network_bytes", "storage": "storage_bytes"}  # fmt: skip
        amount = servers * applications.supply(DGX)[resource]
        rest = dict.fromkeys(field.values(), 1e-6)
        return dataclasses.replace(CLIMATE, deadline=1.0, **(rest | {field[resource]: amount, "dtype": "bf16", "reach": 0.5,
                                                                                   "factor": 2.0} | changes))  # fmt: skip

    @pytest.mark.parametrize("resource", applications.RESOURCES)
    def test_the_reach_and_the_error_are_those_of_arithmetic_and_traffic_alone(self, resource):
        # 3.2 servers' worth at half of the reach are 6.4; known to a factor of two that is 3.2 to 12.8.
        sized = applications.size(self.asking(resource, 3.2), DGX)
        uncertain = resource in ("compute", "memory bandwidth")
        assert sized.ratios[resource] == pytest.approx(6.4 if uncertain else 3.2)
        assert sized.limit == resource
        assert (sized.servers, sized.low, sized.high) == ((7, 4, 13) if uncertain else (4, 4, 4))

    def test_what_they_draw_is_what_they_are_left_to_do(self):
        # 1.6 of 2 servers' arithmetic at a reach of a half: busy for 0.4 of it.
        sized = applications.size(self.asking("compute", 0.8), DGX)
        card = energy.operating_point(H100, 0.4, 0.0, dtype="bf16").total
        assert sized.servers == 2
        assert sized.power == pytest.approx(2 * energy.server_power(DGX, card).total, rel=1e-6)
        sized = applications.size(self.asking("memory bandwidth", 0.8), DGX)
        card = energy.operating_point(H100, 0.0, 0.4, dtype="bf16").total
        assert sized.power == pytest.approx(2 * energy.server_power(DGX, card).total, rel=1e-6)

    def test_a_format_of_fewer_bits_draws_its_own_watts(self):
        narrow = self.asking("compute", 0.9, dtype="int8", reach=1.0)
        sized = applications.size(narrow, DGX)
        busy = narrow.flops / applications.supply(DGX, "int8")["compute"]
        card = energy.operating_point(H100, busy, 0.0, dtype="int8").total
        assert sized.power == pytest.approx(energy.server_power(DGX, card).total, rel=1e-6)

    def test_processors_draw_by_the_busier_of_the_two(self):
        there = applications.supply(ORDINARY, "fp32")
        row = dataclasses.replace(CLIMATE, deadline=1.0, dtype="fp32", reach=1.0, flops=0.3 * there["compute"],
                                  traffic_bytes=0.6 * there["memory bandwidth"], resident_bytes=1.0, network_bytes=1.0,
                                  storage_bytes=1.0)  # fmt: skip
        expected = energy.server_power(ORDINARY, 0.0, 0.6).total
        assert applications.size(row, ORDINARY).power == pytest.approx(expected)


class TestClimate:
    def test_a_cell_by_hand(self):
        # 50 numbers pass four times: 200 of 8 bytes, 3 FLOP each, 100 kernels.
        assert applications.cell_work(C) == {"traffic": 1600, "flops": 600, "resident": 400, "kernels": 100}
        assert applications.time_step(1e4, C) == 100
        assert applications.time_step(np.array([1e4, 2e4]), C).tolist() == [100, 200]

    def test_an_atmosphere_by_hand(self):
        # 4e14 m2 in squares of 20 km: a million columns, ten high; on four cards pieces of 500 x 500.
        link = catalog.link("InfiniBand HDR")
        run = applications.climate(20e3, 4, H100, 10, link, C)
        assert run.cells == pytest.approx(1e7)
        assert run.steps_a_year == pytest.approx(year / 200)
        assert run.bytes_a_card == pytest.approx(1e7 / 4 * 400)
        assert run.streaming == pytest.approx(1e7 / 4 * 1600 / compute.memory_bandwidth(H100, 0.67))
        message = interconnect.transfer(4 * 500 * 10 * 10 / 5, link)  # four rims of 500, ten high, ten bytes; fifths
        assert run.exchange == pytest.approx(5 * (message.time - message.latency))
        call = catalog.constants("operators")["call_eager"]
        assert run.fixed == pytest.approx(100 * call + 5 * message.latency)
        assert run.step == pytest.approx(run.fixed + run.exchange + run.streaming)
        assert run.years_a_day == pytest.approx(day / (year / 200 * run.step))
        assert run.most_years_a_day == pytest.approx(day / (year / 200 * run.fixed))
        assert run.cell_steps_a_year == pytest.approx(1e7 * year / 200)

    def test_ninety_levels_and_infiniband_are_the_usual_and_arrays_are_the_loop(self):
        usual = applications.climate(1e4, 8, H100)
        assert usual == applications.climate(1e4, 8, H100, 90, catalog.link("InfiniBand NDR"))
        many = applications.climate(np.array([1e4, 2e4]), np.array([[8], [16]]), H100)
        for field in dataclasses.fields(many):
            assert getattr(many, field.name).shape == (2, 2)
            assert getattr(many, field.name)[0, 0] == pytest.approx(getattr(usual, field.name))

    def test_a_card_draws_for_streaming_and_little_arithmetic(self):
        run = applications.climate(1e4, 8, H100)
        p = energy.operating_point(H100, 0.05, run.streaming / run.step, dtype="fp32")
        assert applications.card_power(H100, run) == pytest.approx(p.total)

    def test_bad_input_is_named(self):
        for call, words in (
            (lambda: applications.climate(0, 8, H100), "spacing=0"),
            (lambda: applications.climate(1e4, 1.5, H100), r"cards=1\.5"),
            (lambda: applications.climate(1e4, 8, H100, 0), "levels=0"),
            (lambda: applications.time_step(0), "spacing=0"),
        ):
            with pytest.raises(ValueError, match=words):
                call()


class TestCounts:
    def test_patches_by_hand(self):
        network = dataclasses.replace(catalog.convnet("3D U-Net"), forward_flops=8.0, activation_elements=16.0,
                                      input_elements=24.0)  # fmt: skip
        half = applications.patch(network, 50, 100)
        assert (half.forward_flops, half.activation_elements, half.input_elements) == (1, 2, 3)
        assert applications.patch(network, 128).forward_flops == 8  # counted for 128 if nothing is said
        assert applications.patch(network, np.array([128, 256])).forward_flops.tolist() == [8, 64]
        for bad, words in (((0,), "edge=0"), ((1, 0), "reference=0")):
            with pytest.raises(ValueError, match=words):
                applications.patch(network, *bad)

    def test_tiles_by_hand(self):
        # 100 voxels in cubes of 40 in steps of 20: at 0, 20, 40 and 60; at 0, 30 and 60 with a quarter in common.
        assert applications.tiles(100, 40) == applications.tiles(100, 40, 0.5) == 4**3
        assert applications.tiles(100, 40, 0.25) == 3**3
        assert applications.tiles(40, 40) == applications.tiles(10, 40) == 1
        assert applications.tiles(400, 40, 0.95) == (1 + 180) ** 3
        for bad, words in (((0, 1), "volume=0"), ((1, 0), "edge=0"), ((1, 1, -0.1), "overlap=-0.1")):
            with pytest.raises(ValueError, match=words):
                applications.tiles(*bad)

    def test_results_of_tests_by_hand(self):
        # Of 100, 20 are ill: 0.5 of them found, 0.25 of the 80 others too.
        assert applications.predictive_value(0.5, 0.75, 0.2) == pytest.approx(10 / 30)
        assert np.isnan(applications.predictive_value(0.5, 1.0, 0.0))
        assert applications.predictive_value(0.5, 1.0, np.array([0.1, 1.0])).tolist() == [1, 1]
        for bad, words in (((0.5, 1.1, 0.5), "specificity=1.1"), ((0.5, 0.5, -0.1), "prevalence=-0.1")):
            with pytest.raises(ValueError, match=words):
                applications.predictive_value(*bad)

    def test_saying_no_to_all_by_hand(self):
        assert applications.trivial_accuracy(1, 4) == 0.75
        assert applications.trivial_accuracy(0, 4) == 1
        assert applications.trivial_accuracy(np.array([1, 4]), 4).tolist() == [0.75, 0]
        for bad, words in (((-1, 4), "positive=-1"), ((0, 0), "cases=0"), ((0.5, 4), "positive=0.5")):
            with pytest.raises(ValueError, match=words):
                applications.trivial_accuracy(*bad)

    def test_every_trial_has_its_four_figures(self):
        assert applications.screening() == applications.screening("NLST, second round")
        assert set(applications.screening()) == {"sensitivity", "specificity", "positive results", "predictive value"}

    def test_pictures_by_hand(self):
        # 10 x 20 pixels, 3 a second: 600; of 24 bits 1,800 bytes a second, of 0.075 bits 5.625.
        assert applications.raw_rate(10, 20, 3) == 1800
        assert applications.raw_rate(10, 20, 3, 16) == 1200
        assert applications.coded_rate(10, 20, 3) == pytest.approx(5.625)
        assert applications.coded_rate(10, 20, 3, 0.8) == pytest.approx(60)
        good = {"width": 1, "height": 1, "frames": 1, "bits": 1}
        for name in good:
            with pytest.raises(ValueError, match=f"{name}=0"):
                applications.raw_rate(**(good | {name: 0}))

    def test_antennas_by_hand(self):
        # 2 antennas, 3 users, 12 subcarriers in blocks of 4, 5 symbols.
        by_hand = 8 * 2 * 3 * 12 * 5 + 12 / 4 * (12 * 2 * 9 + 8 / 3 * 27)
        assert applications.mimo_flops(2, 3, 12, 5, 4) == pytest.approx(by_hand)
        assert applications.mimo_flops(64, 8) == applications.mimo_flops(64, 8, 3276, 14, 12)
        good = {"antennas": 1, "users": 1, "subcarriers": 1, "symbols": 1, "block": 1}
        for name in good:
            with pytest.raises(ValueError, match=f"{name}=0"):
                applications.mimo_flops(**(good | {name: 0}))

    def test_a_structure_by_hand(self):
        # Two channels, three projections, seven passes, eleven steps of diffusion, ten tokens.
        block = 2 * (2 * 2 * 10**3) + 2 * (4 * 2 * 10**3) + 3 * 2 * 2**2 * 10**2
        diffusion = 24 * (24 * 10 * 768**2 + 4 * 10**2 * 768)
        assert applications.fold_flops(10, C) == pytest.approx(7 * block + 11 * diffusion)
        assert applications.fold_flops(np.array([10, 20]), C)[0] == applications.fold_flops(10, C)
        with pytest.raises(ValueError, match="tokens=0"):
            applications.fold_flops(0)
        assert math.isfinite(applications.fold_flops(1))
