"""Watts, caps, buildings and grids, worked out by hand with round constants, and every bad input."""

import dataclasses
import math

import numpy as np
import pytest

from dcserver import catalog, energy
from dcserver.energy.joules import half_peak

H100, L4, A100 = (catalog.accelerator(n) for n in ("H100 SXM", "L4", "A100 SXM"))
DGX = catalog.server("DGX H100")
# Round figures in the place of the catalog's. The cube of the clock, and below half of it the clock itself.
C = catalog.constants("power") | {
    "voltage_exponent_HBM": 3.0, "voltage_knee_HBM": 0.5, "voltage_exponent_GDDR": 2.0, "voltage_knee_GDDR": 0.25,
    "lowest_clock": 0.1, "static_share": 0.1, "active_share": 0.2, "byte_energy_HBM3": 1e-10, "byte_energy_HBM2": 2e-10,
    "byte_energy_GDDR": 3e-10, "byte_energy_LPDDR": 4e-10, "graphics_energy": 2.0, "flop_energy_generic_share": 0.5,
    "flop_energy_2020": 8e-13, "flop_energy_halving_years": 2.0, "heavy_share": 1.2, "light_share": 0.25,
    "floor_share_HBM": 0.2, "floor_share_GDDR": 0.4, "stall_clock": 0.25, "compute_bound_other": 0.5,
}  # fmt: skip
# A made-up card: 100 W, 1 TFLOP/s of 16 bits, 0.25 in FP32, 100 GB/s of HBM3; the constants know its generation not.
CARD = dataclasses.replace(
    H100, architecture="none", max_power=100.0, memory_bandwidth=1e11, memory_type="HBM3", year=2024.0,
    peak_fp16_flops=1e12, peak_bf16_flops=1e12, peak_fp32_flops=0.25e12, peak_tf32_flops=0.5e12, peak_fp8_flops=2e12,
    peak_int8_ops=2e12,
)  # fmt: skip


class TestCurve:
    def test_dynamic_power_by_hand(self):
        # r^3 above half of the clock; below it the voltage stays, r / 4.
        assert energy.dynamic_scale(np.array([1.0, 0.8, 0.5, 0.2]), CARD, C) == pytest.approx([1, 0.512, 0.125, 0.05])
        assert energy.dynamic_scale(0.8, None, C) == pytest.approx(0.512)  # a server module where no device is named
        assert energy.dynamic_scale(0.8, L4, C) == pytest.approx(0.64)  # a graphics board: the square

    def test_the_clock_by_hand_and_its_two_ends(self):
        assert energy.clock_for(np.array([1.0, 0.512, 0.125, 0.05]), CARD, C) == pytest.approx([1, 0.8, 0.5, 0.2])
        assert energy.clock_for(np.array([-1.0, 0.0, 2.0]), CARD, C) == pytest.approx([0.1, 0.1, 1])
        assert energy.clock_for(0.64, L4, C) == pytest.approx(0.8)
        assert energy.clock_for(0.512, None, C) == pytest.approx(0.8)


class TestJoules:
    # abs=0: the usual floor of 1e-12 would let any picojoule pass.
    def test_a_generation_that_nobody_knows_is_built_for_its_limit_or_for_its_year(self):
        # Half of 100 W over 1 TFLOP/s; without a limit 0.8 pJ of 2020, halved twice by 2024, once by "2022".
        assert energy.flop_energy(CARD, "bf16", C | {"format_bf16": 1.0}) == pytest.approx(0.5e-10, abs=0)
        for year, joules in ((2024.0, 2e-13), (2020.0, 8e-13), (2018.0, 16e-13), (float("nan"), 4e-13)):
            free = dataclasses.replace(CARD, max_power=float("nan"), year=year)
            assert energy.flop_energy(free, "bf16", C | {"format_bf16": 1.0}) == pytest.approx(joules, abs=0)

    def test_a_known_generation_by_hand(self):
        known = dataclasses.replace(CARD, architecture="some")
        c = C | {"flop_energy_some": 3e-13, "format_fp8": 0.5, "format_fp64": 4.0}
        assert energy.flop_energy(known, "fp8", c) == pytest.approx(1.5e-13, abs=0)
        assert energy.flop_energy(known, "fp8_e4m3", c) == energy.flop_energy(known, "fp8", c)
        assert energy.flop_energy(known, np.array(["fp8", "fp64"]), c) == pytest.approx([1.5e-13, 12e-13], abs=0)
        board = dataclasses.replace(known, memory_type="GDDR6")  # clocked up the curve: twice, above
        assert energy.flop_energy(board, "fp8", c) == pytest.approx(3e-13, abs=0)
        assert energy.flop_energy(known, constants=c) == energy.flop_energy(known, "bf16", c)

    def test_without_matrix_units_bits_count(self):
        # FP16 at twice FP32 is two in a lane: then a number of 4 bytes takes twice one of 2.
        plain = dataclasses.replace(CARD, architecture="some", peak_fp32_flops=0.5e12, peak_fp8_flops=float("nan"),
                                    peak_tf32_flops=float("nan"))  # fmt: skip
        c = C | {"flop_energy_some": 3e-13, "format_fp32": 100.0, "format_int8": 100.0}
        for dtype, ratio in (("fp16", 1), ("fp32", 2), ("fp64", 4), ("int8", 0.5)):
            assert energy.flop_energy(plain, dtype, c) == pytest.approx(3e-13 * ratio, abs=0), dtype

    @pytest.mark.parametrize(("memory", "joules"), [
        ("HBM3", 1), ("HBM3e", 1), ("hbm4", 1), ("HBM2", 2), ("HBM2e", 2), ("GDDR6X", 3), ("LPDDR5", 4), ("", 2), ("clay", 2),
    ])  # fmt: skip
    def test_a_byte_by_its_kind_of_memory(self, memory, joules):
        device = dataclasses.replace(CARD, memory_type=memory)
        assert energy.byte_energy(device, C) == pytest.approx(joules * 1e-10, abs=0)

    def test_a_limit_that_nobody_states_is_both_at_once(self):
        # 1 TFLOP/s at 0.3 pJ and 100 GB/s at 100 pJ: 0.3 W and 10 W.
        free = dataclasses.replace(CARD, architecture="some", max_power=float("nan"))
        c = C | {"flop_energy_some": 3e-13, "format_fp16": 1.0}
        assert energy.power_limit_of(free, c) == pytest.approx(10.3)
        assert energy.power_limit_of(CARD, c) == 100
        two = catalog.stack([free, CARD])
        assert energy.power_limit_of(two, c) == pytest.approx([10.3, 100])
        # Whatever asks for the limit asks with the same constants.
        assert energy.operating_point(free, constants=c).static == pytest.approx(1.03)
        assert energy.power_cap(free, 1.0, 1e3, constants=c).power == pytest.approx(1.0)
        said = energy.power_cap(free, 8.0, 5.0, reference_limit=10.3, constants=c)
        assert energy.power_cap(free, 8.0, 5.0, constants=c).time_ratio == pytest.approx(said.time_ratio)
        assert energy.sustained_clock(free, 1.0, 1.0, constants=c) == pytest.approx(
            energy.sustained_clock(free, 1.0, 1.0, 10.3, constants=c)
        )

    def test_the_peak_in_16_bits_has_stand_ins(self):
        none = float("nan")
        for changes, peak in (
            ({}, 1e12), ({"peak_fp16_flops": none, "peak_bf16_flops": 3e12}, 3e12),
            ({"peak_fp16_flops": none, "peak_bf16_flops": none}, 1e12),  # half of INT8's 2
            ({"peak_fp16_flops": none, "peak_bf16_flops": none, "peak_int8_ops": none}, 0.5e12),  # twice FP32's
        ):  # fmt: skip
            assert half_peak(dataclasses.replace(CARD, **changes)) == pytest.approx(peak)


class TestOperatingPoint:
    CONSTANTS = C | {"flop_energy_none": 8e-11, "format_bf16": 1.0}  # at full use 80 W; memory 10 W, 10 + 20 W beside

    def test_watts_by_cause_by_hand(self):
        p = energy.operating_point(CARD, 0.5, 0.5, 0.8, constants=self.CONSTANTS)
        assert p.breakdown == pytest.approx({"static": 10, "active": 20 * 0.512, "compute": 40 * 0.512, "memory": 5})
        assert p.total == pytest.approx(10 + 60 * 0.512 + 5)
        assert (p.clock_ratio, p.limited_by) == (pytest.approx(0.8), "clock")

    def test_a_limit_by_hand(self):
        # 10 + 10 + 100 r^3 = 71.2 at 0.8 of the clock.
        p = energy.operating_point(CARD, 1.0, 1.0, power_limit=71.2, constants=self.CONSTANTS)
        assert (p.clock_ratio, p.limited_by) == (pytest.approx(0.8), "power")
        assert p.total == pytest.approx(71.2)
        assert energy.sustained_clock(CARD, 1.0, 1.0, 71.2, constants=self.CONSTANTS) == pytest.approx(0.8)
        assert energy.operating_point(CARD, 1.0, 1.0, 0.5, 71.2, constants=self.CONSTANTS).limited_by == "clock"
        # The data sheet's 100 W leave 80 of 100; no limit at all leaves everything.
        assert energy.operating_point(CARD, 1.0, 1.0, constants=self.CONSTANTS).total == pytest.approx(100)
        assert energy.power(CARD, 1.0, 1.0, constants=self.CONSTANTS) == pytest.approx(120)
        assert energy.power(CARD, 1.0, 1.0, 0.8, constants=self.CONSTANTS) == pytest.approx(71.2)

    def test_nothing_to_do_at_full_clock_is_the_usual(self):
        assert energy.power(CARD, constants=self.CONSTANTS) == pytest.approx(30)
        assert energy.operating_point(CARD, constants=self.CONSTANTS).total == pytest.approx(30)
        # A full load without traffic is what the sustained clock is asked for.
        assert energy.sustained_clock(CARD, constants=self.CONSTANTS) == pytest.approx((90 / 100) ** (1 / 3))

    def test_the_format_decides_peak_and_joules(self):
        c = self.CONSTANTS | {"format_fp8": 0.25}
        # Twice the peak at a quarter of the joules: 40 W.
        assert energy.operating_point(CARD, 1.0, dtype="fp8", constants=c).compute == pytest.approx(40)
        both = energy.operating_point(CARD, 1.0, dtype=np.array(["bf16", "fp8"]), power_limit=np.inf, constants=c)
        assert both.compute == pytest.approx([80, 40])

    @pytest.mark.parametrize(("changes", "words"), [
        ({"compute_utilization": -0.1}, "compute_utilization=-0.1"), ({"memory_utilization": 1.1}, "memory_utilization=1.1"),
        ({"clock_ratio": 0}, "clock_ratio=0"), ({"power_limit": 0}, "power_limit=0"), ({"dtype": "bf17"}, "bf17"),
    ])  # fmt: skip
    def test_bad_input_is_named(self, changes, words):
        with pytest.raises(ValueError, match=words):
            energy.operating_point(H100, **changes)
        with pytest.raises(ValueError, match="dtype='bf17'"):
            energy.flop_energy(H100, "bf17")
        with pytest.raises(ValueError, match="power_limit=-1"):
            energy.sustained_clock(H100, power_limit=-1)
        with pytest.raises(ValueError, match="memory_utilization=2"):
            energy.sustained_clock(H100, 1.0, 2.0)


class TestCaps:
    def test_a_capped_job_by_hand(self):
        # Limit 100 W: heavy kernels want 120 and get 100, light ones draw 25; a mean of 70 is 0.6 heavy. The floor is 20:
        # 20 + 100 r^3 W. Under a cap of 71.2 W the clock is 0.8, against 0.8^(1/3) without.
        capped = energy.power_cap(CARD, 70.0, 71.2, constants=C)
        free, now = 0.8 ** (1 / 3), 0.8

        def lasts(r):  # half follows the clock, the other half waits for memory as long as the clock is above a quarter
            return 0.5 / r + 0.5

        heavy = 0.6 * lasts(now) / lasts(free)
        assert capped.clock_ratio == pytest.approx(now)
        assert (capped.heavy_time_ratio, capped.light_time_ratio) == pytest.approx((heavy, 0.4))
        assert capped.time_ratio == pytest.approx(heavy + 0.4)
        joules = heavy * 71.2 + 0.4 * 25
        assert capped.energy_ratio == pytest.approx(joules / 70)
        assert capped.power == pytest.approx(joules / (heavy + 0.4))
        assert sum(capped.breakdown.values()) == pytest.approx(capped.time_ratio)

    def test_below_the_stall_clock_all_follow_it(self):
        # 20 + 100 r / 4 = 25 W at a fifth of the clock, below the quarter at which memory begins to wait.
        capped = energy.power_cap(CARD, 100.0, 25.0, constants=C)
        lasts = 0.5 / 0.2 + 0.5 * 0.25 / 0.2
        assert capped.clock_ratio == pytest.approx(0.2)
        assert capped.time_ratio == pytest.approx(lasts / (0.5 / 0.8 ** (1 / 3) + 0.5))
        bound = energy.power_cap(CARD, 100.0, 25.0, compute_bound=1.0, constants=C)
        assert bound.time_ratio == pytest.approx(0.8 ** (1 / 3) / 0.2)

    def test_a_mean_above_the_limit_is_heavy_all_the_time_and_one_below_the_light_share_never(self):
        # A mean beyond the reference would be more than all of it.
        over = energy.power_cap(CARD, 110.0, 71.2, constants=C)
        assert over.light_time_ratio == 0
        under = energy.power_cap(CARD, 20.0, 71.2, constants=C)
        assert (under.time_ratio, under.heavy_time_ratio) == (1, 0)
        assert under.power == pytest.approx(20)

    def test_the_reference_is_the_limit_under_which_it_was_measured(self):
        said = energy.power_cap(CARD, 70.0, 71.2, 100.0, 0.5, C)
        assert said == energy.power_cap(CARD, 70.0, 71.2, constants=C)
        half = energy.power_cap(CARD, 35.0, 35.6, 50.0, constants=C)  # all watts halved: the same job
        assert half.time_ratio == pytest.approx(said.time_ratio)
        assert half.energy_ratio == pytest.approx(said.energy_ratio)
        board = energy.power_cap(dataclasses.replace(CARD, memory_type="GDDR6"), 70.0, 71.2, constants=C)
        # 40 + 80 r^2 = 71.2
        assert board.clock_ratio == pytest.approx(math.sqrt(31.2 / 80))

    def test_the_best_cap_is_the_least_of_those_tried(self):
        for other, most in ((0.0, np.inf), (50.0, np.inf), (0.0, 1.1)):
            best = energy.best_cap(CARD, 70.0, other_power=other, max_time_ratio=most, points=50, constants=C)
            caps = 100 * np.linspace(0.2, 1, 50)
            each = energy.power_cap(CARD, 70.0, caps, constants=C)
            joules = (each.energy_ratio * 70 + each.time_ratio * other) / (70 + other)
            joules[each.time_ratio > most] = np.inf
            assert best.power_limit == pytest.approx(caps[joules.argmin()])
            assert best.energy_ratio == pytest.approx(joules.min())
            assert best.time_ratio == pytest.approx(each.time_ratio[joules.argmin()])

    def test_the_usual_search_tries_two_hundred(self):
        usual, said = energy.best_cap(CARD, 70.0), energy.best_cap(CARD, 70.0, other_power=0.0, points=200)
        assert usual == said
        assert energy.best_cap(CARD, 70.0, 80.0).power_limit <= 80
        with pytest.raises(ValueError, match="max_time_ratio=0.9"):
            energy.best_cap(CARD, 70.0, max_time_ratio=0.9)
        with pytest.raises(ValueError, match="reference_limit=0"):
            energy.power_cap(CARD, 70.0, 50.0, 0.0)


class TestServers:
    def test_supplies_by_hand(self):
        c = catalog.constants("server_power") | {"supply_loss_constant": 0.01, "supply_loss_linear": 0.02,
                                                 "supply_loss_square": 0.04}  # fmt: skip
        assert energy.supply_efficiency(0.5, c) == pytest.approx(0.5 / (0.5 + 0.01 + 0.01 + 0.01))
        assert energy.supply_efficiency(np.array([0.5, 1.2]), c).shape == (2,)
        for load in (0, -1, 1.3):
            with pytest.raises(ValueError, match=f"load={load}"):
                energy.supply_efficiency(load)

    def test_fans_by_hand(self):
        c = catalog.constants("server_power") | {"air_limit": 60.0, "design_inlet": 20.0, "fan_share": 0.1,
                                                 "fan_minimum_speed": 0.25}  # fmt: skip
        # Half the heat at 40 degrees: a rise of 20 in the place of 40, so full speed; at 20 degrees half of it, an eighth.
        assert energy.fan_power(500.0, 1000.0, 40.0, c) == pytest.approx(100)
        assert energy.fan_power(500.0, 1000.0, 20.0, c) == pytest.approx(100 / 8)
        assert energy.fan_power(0.0, 1000.0, 20.0, c) == pytest.approx(100 / 64)  # never slower than a quarter
        assert energy.fan_power(1000.0, 1000.0, 50.0, c) == pytest.approx(100)  # nor faster than all
        assert energy.fan_power(500.0, 1000.0, constants=c) == energy.fan_power(500.0, 1000.0, 25.0, c)
        assert energy.fan_power(500.0, 1000.0, 59.0, c) == pytest.approx(100)
        for call, words in (
            (lambda: energy.fan_power(-1, 1), "heat=-1"), (lambda: energy.fan_power(1, 0), "design_heat=0"),
            (lambda: energy.fan_power(1, 1, 59.5, c), "inlet_temperature=59.5"),
            (lambda: energy.fan_power(1, 1, -41), "inlet_temperature=-41"),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=words):
                call()

    def test_the_usual_server_runs_its_cards_at_their_limit_and_its_processors_at_thirty_percent(self):
        usual = energy.server_power(DGX)
        said = energy.server_power(DGX, H100.max_power, 0.3, 25.0, DGX.cooling or "air", True)
        assert usual.total == pytest.approx(said.total)
        assert usual.accelerators == pytest.approx(8 * 700)
        busier = energy.server_power(DGX, processor_utilization=1.0)
        idle = energy.server_power(DGX, processor_utilization=0.0)
        share = catalog.constants("server_power")["cpu_idle_share"]
        assert idle.processors == pytest.approx(share * busier.processors)

    def test_what_is_not_in_the_catalog_counts_as_nothing(self):
        none = float("nan")
        bare = dataclasses.replace(DGX, memory_bytes=none, scale_out_links=none, drives=none)
        p = energy.server_power(bare)
        assert (p.memory, p.drives) == (0, 0)
        assert p.network == pytest.approx(8 * catalog.constants("server_power")["scale_up_power"])
        # Without a known rating supplies are twice what they may have to deliver.
        unrated = energy.server_power(dataclasses.replace(DGX, power_supplies=none))
        assert 0 < unrated.supply_loss < 0.1 * unrated.total
        with pytest.raises(ValueError, match="processor_utilization=1.1"):
            energy.server_power(DGX, processor_utilization=1.1)


class TestBuildings:
    @pytest.mark.parametrize(("name", "value"), [("mean_temperature", 35.1), ("mean_temperature", -20.1),
                                                 ("swing", 25.1), ("swing", -0.1), ("load", 1.1)])  # fmt: skip
    def test_what_no_year_is_like_is_named(self, name, value):
        with pytest.raises(ValueError, match=f"{name}={value}"):
            energy.yearly_facility(**{name: value})

    def test_the_ends_are_allowed(self):
        for mean in (-20, 35):
            assert energy.yearly_facility(mean_temperature=mean, swing=25).pue > 1
        for dry in (-60, 60):
            assert energy.facility(outdoor_temperature=dry).pue > 1
        for changes, words in (({"outdoor_temperature": 61}, "outdoor_temperature=61"),
                               ({"wet_bulb_temperature": -61}, "wet_bulb_temperature=-61"), ({"load": 0.001}, "load")):  # fmt: skip
            with pytest.raises(ValueError, match=words):
                energy.facility(**changes)

    def test_a_year_is_the_mean_of_its_days(self):
        usual = energy.yearly_facility("air", 15.0, 8.0, evaporative=True, load=0.5)
        days = energy.facility("air", 15.0 + 8.0 * of_year(), evaporative=True, load=0.5)
        for name in ("pue", "power_chain", "fans_and_pumps", "chiller", "other", "wue", "free_cooling"):
            assert getattr(usual, name) == pytest.approx(np.mean(getattr(days, name)), rel=2e-3, abs=1e-5)

    def test_what_a_place_is_if_nothing_is_said(self):
        swing = catalog.constants("cooling")["yearly_swing"]
        assert energy.yearly_facility() == energy.yearly_facility("air", 12.0, swing, True, False, True, True, 1.0)
        assert energy.facility() == energy.facility("air", 15.0, 10.0, True, False, True, True, 1.0)
        still = energy.yearly_facility(constants=catalog.constants("cooling") | {"yearly_swing": 0.0})
        assert still.pue == pytest.approx(energy.facility(outdoor_temperature=12.0).pue)


def of_year():
    """The middle of 21 equally likely parts of a normal distribution."""
    from statistics import NormalDist

    return np.array([NormalDist().inv_cdf((i + 0.5) / 21) for i in range(21)])


class TestGrids:
    C = catalog.constants("carbon") | {"embodied_per_watt": 2.0, "embodied_server": 100.0, "embodied_per_memory_byte": 1e-9,
                                       "embodied_per_drive_byte": 1e-12, "lifetime": 1e8, "utilization": 0.5,
                                       "water_per_joule_grid": 1e-6}  # fmt: skip

    def test_making_a_server_by_hand(self):
        server = dataclasses.replace(DGX, memory_bytes=2e12, drive_bytes=3e13)
        assert energy.embodied_carbon(H100, self.C) == pytest.approx(1400)
        assert energy.embodied_carbon(server, self.C) == pytest.approx(8 * 1400 + 100 + 2000 + 30)
        bare = dataclasses.replace(server, accelerator=None, accelerators=float("nan"), memory_bytes=float("nan"),
                                   drive_bytes=float("nan"))  # fmt: skip
        assert energy.embodied_carbon(bare, self.C) == pytest.approx(100)

    def test_a_job_by_hand(self):
        node = energy.server_power(DGX, 500.0, 0.5)
        job = energy.energy_of(DGX, 3, 1000.0, 500.0, 1.5, 2e-8, 0.5, self.C)
        it = 3000 * node.total
        assert job.breakdown == pytest.approx(
            {"accelerators": 3000 * 4000, "rest of servers": it - 12e6, "building": it / 2}
        )
        assert job.total == pytest.approx(1.5 * it)
        assert job.kilowatt_hours == pytest.approx(1.5 * it / 3.6e6)
        assert job.operational_carbon == pytest.approx(1.5 * it * 2e-8)
        assert job.embodied_carbon == pytest.approx(3000 * energy.embodied_carbon(DGX, self.C) / (1e8 * 0.5))
        assert job.carbon == pytest.approx(job.operational_carbon + job.embodied_carbon)
        assert job.water == pytest.approx(1.5 * it * 1e-6)

    def test_a_building_adds_its_own_water(self):
        site = dataclasses.replace(energy.facility(), pue=2.0, wue=3.6)  # 3.6 L a kWh are 1e-6 L a joule
        job = energy.energy_of(DGX, 1, 1000.0, site=site, constants=self.C)
        assert job.water == pytest.approx(job.total / 2 * 1e-6 + job.total * 1e-6)

    def test_the_worlds_grid_a_good_building_and_busy_cards_are_the_usual(self):
        usual = energy.energy_of(DGX, 1, 1000.0)
        assert usual == energy.energy_of(DGX, 1, 1000.0, H100.max_power, 1.2, catalog.grid("World 2024"), 0.3)
        for changes, words in (({"servers": -1}, "servers=-1"), ({"grid": -1.0}, "carbon_intensity=-1"),
                               ({"site": 11.0}, "pue=11"), ({"constants": self.C | {"lifetime": 0.0}}, "lifetime=0"),
                               ({"constants": self.C | {"utilization": 0.0}}, "utilization=0")):  # fmt: skip
            with pytest.raises(ValueError, match=words):
                energy.energy_of(**({"server": DGX, "servers": 1, "seconds": 1.0} | changes))
