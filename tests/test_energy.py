"""Claims about power, energy and cooling: physics, published numbers, limits, and that arrays give what the loop gives."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, energy
from dcserver.units import hour, kWh

A100 = catalog.accelerator("A100 SXM")
H100 = catalog.accelerator("H100 SXM")
MI300X = catalog.accelerator("MI300X")
L4 = catalog.accelerator("L4")
DGX = catalog.server("DGX H100")
DEVICES = list(catalog.table("accelerators").values())
share = st.floats(0, 1)
watts = st.floats(30, 3000)


def bf16(device):
    return "bf16" if "bf16" in device.dtypes else device.dtypes[-1]


class TestVoltageAndClock:
    @pytest.mark.parametrize("device", [None, A100, L4])
    def test_halving_the_clock_at_fixed_voltage_halves_dynamic_power(self, device):
        low = 0.4  # below the knee, where the voltage is at its floor
        ratio = energy.dynamic_scale(low / 2, device) / energy.dynamic_scale(low, device)
        assert ratio == pytest.approx(0.5)

    def test_near_boost_the_last_tenth_of_clock_costs_a_fifth_of_dynamic_power_or_more(self):
        assert energy.dynamic_scale(1.0) == pytest.approx(1.0)
        assert 1 - energy.dynamic_scale(0.9) > 0.2

    def test_graphics_boards_are_clocked_further_up_the_curve(self):
        assert energy.dynamic_scale(0.9, L4) < energy.dynamic_scale(0.9, A100)

    @given(st.floats(0.16, 1.0), st.sampled_from([A100, L4]))
    def test_clock_and_power_are_inverse(self, ratio, device):
        assert energy.clock_for(energy.dynamic_scale(ratio, device), device) == pytest.approx(ratio)

    def test_the_curve_has_no_step_at_the_knee(self):
        knee = catalog.constants("power")["voltage_knee_HBM"]
        below, above = energy.dynamic_scale(np.array([knee - 1e-9, knee + 1e-9]))
        assert below == pytest.approx(above, rel=1e-6)


class TestAccelerator:
    def test_an_idle_a100_draws_forty_to_sixty_watts(self):
        assert 40 < energy.power(A100, clock_ratio=0.15) < 60

    def test_lower_clocks_save_when_idle(self):
        assert energy.power(A100, clock_ratio=0.15) < 0.85 * energy.power(A100, clock_ratio=1.0)

    def test_decode_draws_less_than_the_limit(self):
        # arXiv 2605.11999: a 700 W part draws 137-300 W in decode of small batches; with bandwidth saturated, more.
        assert energy.power(H100, 0.02, 0.4) < 300
        assert energy.power(H100, 0.05, 0.9) < 700

    def test_matrix_products_at_boost_clock_want_more_than_the_h100_may_draw(self):
        assert energy.power(H100, 1.0, 0.3) > H100.max_power
        point = energy.operating_point(H100, 1.0, 0.3)
        assert point.total == pytest.approx(H100.max_power)
        assert point.limited_by == "power"

    def test_generations_sustain_different_shares_of_the_clock(self):
        # Best measured matrix products reach 0.87 (A100), 0.80 (H100), 0.51 (MI300X) of the data sheet's peak,
        # losses that are not the clock's included: the clock alone must leave room for them.
        a100, h100, mi300x = (energy.sustained_clock(d, 0.95, 0.2) for d in (A100, H100, MI300X))
        assert 0.87 < a100 <= 1.0
        assert 0.80 < h100 < a100
        assert 0.51 < mi300x < h100

    def test_a_card_with_the_same_chip_and_less_power_clocks_lower(self):
        card = catalog.accelerator("A100-PCIE-80GB")
        assert energy.sustained_clock(card, 0.95, 0.2) < energy.sustained_clock(A100, 0.95, 0.2)

    def test_a_light_load_runs_at_boost_clock(self):
        assert energy.sustained_clock(A100, 0.1, 0.1) == 1.0
        assert energy.operating_point(A100, 0.1, 0.1).limited_by == "clock"

    @pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.name)
    def test_every_device_of_the_catalog_gets_a_sane_answer(self, device):
        limit = energy.power_limit_of(device)
        idle = energy.power(device, clock_ratio=0.15, dtype=bf16(device))
        full = energy.operating_point(device, 1.0, 0.5, dtype=bf16(device))
        assert 0.05 * limit < idle < 0.3 * limit
        assert idle < full.total <= limit * 1.001
        assert 0.3 < full.clock_ratio <= 1

    def test_an_unknown_generation_is_taken_to_be_built_for_its_limit(self):
        new = dataclasses.replace(H100, name="X1", architecture="Unheard of", peak_bf16_flops=5e15, max_power=2000.0)
        assert 0.7 < energy.sustained_clock(new, 1.0, 0.3) <= 1.0

    def test_eight_bits_cost_less_than_sixteen_and_vectors_more(self):
        costs = [energy.flop_energy(H100, d) for d in ("fp8", "bf16", "fp32", "fp64")]
        assert costs == sorted(costs)
        assert costs[0] > 0.4 * costs[1]

    @given(share, share, st.floats(0.2, 1))
    def test_parts_sum_to_the_total(self, compute, memory, ratio):
        point = energy.operating_point(H100, compute, memory, ratio)
        assert sum(point.breakdown.values()) == pytest.approx(point.total)

    @given(share, share, share, watts, watts)
    def test_more_load_never_clocks_higher_and_more_power_never_lower(self, busy, more, memory, limit, other):
        low, high = sorted((busy, more))
        assert energy.sustained_clock(H100, high, memory, limit) <= energy.sustained_clock(H100, low, memory, limit)
        low, high = sorted((limit, other))
        assert energy.sustained_clock(H100, busy, memory, low) <= energy.sustained_clock(H100, busy, memory, high)

    @given(share, share, st.floats(250, 3000))
    def test_the_limit_holds_unless_the_lowest_clock_is_reached(self, compute, memory, limit):
        point = energy.operating_point(H100, compute, memory, power_limit=limit)
        lowest = catalog.constants("power")["lowest_clock"]
        assert point.total <= limit * (1 + 1e-9) or point.clock_ratio == pytest.approx(lowest)

    def test_broadcasting_equals_the_loop(self):
        devices = [A100, H100, L4, MI300X]
        loads = np.linspace(0, 1, 5)
        clocks = energy.sustained_clock(catalog.stack(devices)[:, None], loads, 0.3, dtype="bf16")
        points = energy.operating_point(catalog.stack(devices)[:, None], loads, 0.3, dtype="bf16")
        for i, device in enumerate(devices):
            for j, load in enumerate(loads):
                assert clocks[i, j] == pytest.approx(energy.sustained_clock(device, load, 0.3))
                assert points.total[i, j] == pytest.approx(energy.operating_point(device, load, 0.3).total)

    def test_formats_may_be_an_array(self):
        together = energy.power(H100, 0.5, 0.2, dtype=np.array(["fp8", "bf16", "fp32"], dtype=object))
        alone = [energy.power(H100, 0.5, 0.2, dtype=d) for d in ("fp8", "bf16", "fp32")]
        assert together == pytest.approx(np.array(alone))

    @pytest.mark.parametrize(("arguments", "message"), [
        ({"compute_utilization": 1.5}, "compute_utilization=1.5"),
        ({"memory_utilization": float("nan")}, "memory_utilization"),
        ({"power_limit": -5}, "power_limit=-5"),
        ({"dtype": "fp12"}, "fp12"),
    ])  # fmt: skip
    def test_bad_input_is_named(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            energy.sustained_clock(H100, **arguments)
        if "dtype" in arguments:
            with pytest.raises(ValueError, match="no fp8 peak"):
                energy.power(A100, dtype="fp8")

    def test_a_clock_above_boost_is_refused(self):
        with pytest.raises(ValueError, match="clock_ratio"):
            energy.power(H100, clock_ratio=1.2)

    def test_prints_as_a_table(self):
        text = str(energy.operating_point(H100, 1.0, 0.3))
        assert "700 W" in text
        assert "limited by power" in text


class TestPowerCaps:
    def test_a_cap_that_does_not_bite_changes_nothing(self):
        capped = energy.power_cap(A100, 300, 400)
        assert (capped.time_ratio, capped.energy_ratio) == pytest.approx((1.0, 1.0))
        assert capped.power == pytest.approx(300)

    def test_a_job_that_draws_little_is_not_slowed(self):
        # 120 W of 250 W: nothing heavy in it, so a cap at 175 W costs a few percent at most.
        assert energy.power_cap(A100, 120, 175, 250).time_ratio < 1.03

    def test_capping_a_v100_at_150_of_250_watts_costs_little_and_saves_much(self):
        # McDonald et al. 2022: training of a BERT-like model, 6.8 % more time, 13.7 % less energy.
        v100 = catalog.accelerator("V100")
        capped = energy.power_cap(v100, 225, 150, 250)
        assert 1.05 < capped.time_ratio < 1.25
        assert 0.65 < capped.energy_ratio < 0.9

    def test_memory_bound_work_bears_a_cap_better(self):
        waits = energy.power_cap(A100, 350, 250, compute_bound=0.0)
        counts = energy.power_cap(A100, 350, 250, compute_bound=1.0)
        assert waits.time_ratio < counts.time_ratio

    @given(st.floats(40, 400), watts, watts, share)
    def test_raising_the_cap_never_slows(self, mean, cap, other, bound):
        low, high = sorted((cap, other))
        slow, fast = (energy.power_cap(A100, mean, c, compute_bound=bound).time_ratio for c in (low, high))
        assert fast <= slow + 1e-12

    @given(st.floats(40, 400), watts, share)
    def test_a_cap_never_speeds_up_nor_costs_energy_below_the_mean_power(self, mean, cap, bound):
        capped = energy.power_cap(A100, mean, min(cap, 400), compute_bound=bound)
        assert capped.time_ratio >= 1 - 1e-12
        assert sum(capped.breakdown.values()) == pytest.approx(capped.time_ratio)
        assert capped.energy_ratio * mean == pytest.approx(capped.power * capped.time_ratio)
        assert np.isfinite(capped.energy_ratio)

    def test_energy_per_step_has_a_minimum_inside(self):
        caps = np.linspace(60, 400, 200)
        ratios = energy.power_cap(A100, 380, caps).energy_ratio
        best = int(np.argmin(ratios))
        assert 0 < best < len(caps) - 1
        assert caps[best] == pytest.approx(energy.best_cap(A100, 380).power_limit, rel=0.05)
        assert 0.5 < ratios[best] < 0.9

    def test_a_card_that_may_draw_less_looks_for_its_best_cap_below_that(self):
        limits = np.array([200.0, 300.0, 400.0])
        best = energy.best_cap(A100, 190, reference_limit=limits)
        assert (best.power_limit <= limits).all()
        for limit, cap in zip(limits, best.power_limit, strict=True):
            assert energy.best_cap(A100, 190, reference_limit=limit).power_limit == cap
        assert energy.best_cap(A100, 190).power_limit == energy.best_cap(A100, 190, reference_limit=400).power_limit

    def test_the_rest_of_the_server_moves_the_best_cap_up(self):
        alone, together = energy.best_cap(A100, 380), energy.best_cap(A100, 380, other_power=400)
        assert together.power_limit > alone.power_limit
        assert together.energy_ratio > alone.energy_ratio

    def test_a_deadline_is_kept(self):
        best = energy.best_cap(A100, 380, max_time_ratio=1.05)
        assert best.time_ratio <= 1.05
        assert best.power_limit > energy.best_cap(A100, 380).power_limit

    def test_broadcasting_equals_the_loop(self):
        devices, caps = [A100, L4], np.array([0.5, 0.8, 1.0])
        stack = catalog.stack(devices)[:, None]
        limits = np.array([d.max_power for d in devices])[:, None]
        together = energy.power_cap(stack, 0.9 * limits, caps * limits)
        for i, device in enumerate(devices):
            for j, cap in enumerate(caps):
                alone = energy.power_cap(device, 0.9 * device.max_power, cap * device.max_power)
                assert together.time_ratio[i, j] == pytest.approx(alone.time_ratio)
                assert together.energy_ratio[i, j] == pytest.approx(alone.energy_ratio)
        many = energy.best_cap(catalog.stack(devices), 0.9 * limits[:, 0])
        assert many.power_limit[1] == pytest.approx(energy.best_cap(L4, 0.9 * L4.max_power).power_limit)

    @pytest.mark.parametrize("bad", [0, -1, float("nan")])
    def test_bad_input_is_named(self, bad):
        with pytest.raises(ValueError, match="mean_power"):
            energy.power_cap(A100, bad, 200)
        with pytest.raises(ValueError, match="power_limit"):
            energy.power_cap(A100, 200, bad)
        with pytest.raises(ValueError, match="compute_bound"):
            energy.power_cap(A100, 200, 200, compute_bound=2)


def heat_of(drawn):
    """What the parts of a server give off before fans, pumps and supplies [W]."""
    return drawn.total - drawn.supply_loss - drawn.cooling


class TestServer:
    def test_one_deep_learning_server_draws_about_ten_kilowatts(self):
        # Claim D0-17, 10-30 kW: true of the largest of a generation at full load, not of every one.
        totals = {n: energy.server_power(catalog.server(n), processor_utilization=1.0, inlet_temperature=35).total
                  for n in ("DGX A100 640GB", "DGX H100", "DGX B200")}  # fmt: skip
        assert totals["DGX A100 640GB"] < 10_000 < totals["DGX B200"] < 30_000

    @pytest.mark.parametrize("name", ["DGX A100 640GB", "DGX H100", "DGX H200", "DGX B200", "DGX-1 V100", "DGX-2"])
    def test_full_load_stays_near_and_below_what_the_maker_provides_for(self, name):
        server = catalog.server(name)
        total = energy.server_power(server, processor_utilization=1.0, inlet_temperature=35).total
        assert 0.7 * server.max_power < total < 1.25 * server.max_power

    def test_parts_sum_to_the_total_and_accelerators_dominate(self):
        drawn = energy.server_power(DGX)
        assert sum(drawn.breakdown.values()) == pytest.approx(drawn.total)
        assert 0.6 < drawn.accelerators / drawn.total < 0.85

    def test_the_parts_of_a_server_by_hand(self):
        c = catalog.constants("server_power")
        drawn = energy.server_power(DGX, 300.0, processor_utilization=0.0)
        assert drawn.accelerators == 8 * 300
        assert drawn.processors == pytest.approx(DGX.cpus * DGX.cpu.max_power * c["cpu_idle_share"])
        busy = energy.server_power(DGX, 300.0, processor_utilization=1.0)
        assert busy.processors == pytest.approx(DGX.cpus * DGX.cpu.max_power)
        assert drawn.memory == pytest.approx(DGX.memory_bytes * c["memory_power_per_byte"])
        assert drawn.drives == pytest.approx(DGX.drives * c["drive_power"])
        # Ports out of the server, and the switches between eight cards in it.
        assert drawn.network == pytest.approx(DGX.scale_out_links * c["network_port_power"] + 8 * c["scale_up_power"])
        assert energy.server_power(DGX).accelerators == 8 * H100.max_power

    def test_a_server_of_four_cards_on_a_bus_has_no_switch_between_them(self):
        c = catalog.constants("server_power")
        four = dataclasses.replace(DGX, accelerators=4)
        assert energy.server_power(four).network == pytest.approx(DGX.scale_out_links * c["network_port_power"])

    def test_pumps_carry_what_plates_catch_and_fans_the_rest(self):
        c = catalog.constants("server_power")
        tank = energy.server_power(DGX, cooling="immersion")
        assert tank.cooling == pytest.approx(c["pump_share"] * heat_of(tank))
        # A quarter or so of the heat, for which the fans are made: a quarter of their power.
        air, plate = (energy.server_power(DGX, 500.0, cooling=k) for k in ("air", "cold plate"))
        rest = 1 - c["cold_plate_capture"]
        assert plate.cooling == pytest.approx(
            rest * air.cooling + (1 - rest) * c["pump_share"] * heat_of(air), rel=1e-9
        )

    def test_a_meter_behind_the_supplies_does_not_see_their_loss(self):
        before, behind = energy.server_power(DGX), energy.server_power(DGX, supplied=False)
        assert behind.supply_loss == 0
        assert before.total - behind.total == pytest.approx(before.supply_loss)
        load = behind.total / (DGX.power_supplies * DGX.power_supply_power)
        assert behind.total / before.total == pytest.approx(energy.supply_efficiency(load))

    def test_fans_by_hand(self):
        # Made for 10 kW at 35 degrees with 10 degrees to the limit; at 25 the same heat needs half the flow.
        c = {"air_limit": 45.0, "design_inlet": 35.0, "fan_minimum_speed": 0.2, "fan_share": 0.16}
        assert energy.fan_power(10_000, 10_000, 35, c) == pytest.approx(1600)
        assert energy.fan_power(10_000, 10_000, 25, c) == pytest.approx(1600 / 8)
        assert energy.fan_power(0, 10_000, 25, c) == pytest.approx(1600 * 0.2**3), "they never stop"
        assert energy.fan_power(10_000, 10_000, 44, c) == pytest.approx(1600), "nor pass full speed"

    def test_fans_follow_the_cube_of_their_speed(self):
        # Twice the heat, same rise: twice the flow, eight times the power.
        assert energy.fan_power(8000, 8000, 35) == pytest.approx(8 * energy.fan_power(4000, 8000, 35))

    @given(st.floats(0, 10_000), st.floats(10, 50), st.floats(10, 50))
    def test_warmer_air_never_needs_slower_fans(self, heat, one, other):
        cold, warm = sorted((one, other))
        assert energy.fan_power(heat, 10_000, cold) <= energy.fan_power(heat, 10_000, warm) + 1e-9

    def test_immersion_has_no_fans_and_liquid_saves(self):
        air, plate, tank = (energy.server_power(DGX, cooling=k).total for k in energy.COOLING)
        assert tank < plate < air

    def test_supplies_are_best_near_half_load(self):
        load = np.linspace(0.05, 1, 96)
        efficiency = energy.supply_efficiency(load)
        assert 0.4 < load[np.argmax(efficiency)] < 0.7
        # 80 Plus Titanium at 230 V: 90, 94, 96 and 94 or 91 % at a tenth, a fifth, half and full load.
        assert energy.supply_efficiency(np.array([0.1, 0.2, 0.5, 1.0])) == pytest.approx(
            np.array([0.90, 0.94, 0.96, 0.94]), abs=0.015)  # fmt: skip

    def test_a_traditional_server_draws_a_few_hundred_watts(self):
        assert 150 < energy.server_power(catalog.server("traditional server")).total < 800

    @pytest.mark.parametrize("server", list(catalog.table("servers").values()), ids=lambda s: s.name)
    def test_every_server_of_the_catalog_gets_a_number(self, server):
        assert np.isfinite(energy.server_power(server).total)

    def test_broadcasting_equals_the_loop(self):
        servers = [DGX, catalog.server("DGX A100 640GB")]
        temperatures = np.array([15.0, 25.0, 40.0])
        together = energy.server_power(catalog.stack(servers)[:, None], 300.0, inlet_temperature=temperatures)
        for i, server in enumerate(servers):
            for j, inlet in enumerate(temperatures):
                alone = energy.server_power(server, 300.0, inlet_temperature=inlet)
                assert together.total[i, j] == pytest.approx(alone.total)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="cooling='ice'"):
            energy.server_power(DGX, cooling="ice")
        with pytest.raises(ValueError, match="accelerator_power=-1"):
            energy.server_power(DGX, -1)
        with pytest.raises(ValueError, match="inlet_temperature=80"):
            energy.server_power(DGX, inlet_temperature=80)
        with pytest.raises(ValueError, match="load"):
            energy.supply_efficiency(0)


temperature = st.floats(-30, 45)
kind = st.sampled_from(energy.COOLING)


class TestFacility:
    def test_an_advanced_data_centre_is_below_1_1_where_liquid_cools_it(self):
        # Claim D0-18 (PUE below 1.1): true of liquid in a temperate place, of air only in a cold one.
        assert energy.yearly_facility("cold plate", 10).pue < 1.1
        assert energy.yearly_facility("air", 20).pue > 1.1

    def test_an_old_and_half_empty_room_reaches_1_8(self):
        # Claim D2-10 (1.8-2.5): a room without containment and free cooling, filled to a sixth; at half load, 1.4.
        old = {"economiser": False, "contained": False, "mean_temperature": 15}
        assert 1.8 < energy.yearly_facility("air", load=0.15, **old).pue < 2.5
        assert energy.yearly_facility("air", load=0.5, **old).pue < 1.6

    def test_water_cooling_reaches_1_15_and_a_supercomputer_1_05(self):
        # Claims D2-11 and D2-34: the latter without an uninterruptible supply for the compute.
        assert energy.yearly_facility("cold plate", 25).pue == pytest.approx(1.15, abs=0.04)
        assert energy.yearly_facility("cold plate", 8, backed_up=False).pue == pytest.approx(1.05, abs=0.015)

    @given(kind, temperature, st.booleans(), st.booleans(), st.booleans(), st.floats(0.05, 1))
    def test_pue_is_at_least_one_and_its_parts_sum_to_it(self, cooling, outdoor, free, evaporative, contained, load):
        site = energy.facility(cooling, outdoor, None, free, evaporative, contained, load=load)
        assert site.pue >= 1
        assert sum(site.breakdown.values()) == pytest.approx(site.pue)
        assert 0 <= site.free_cooling <= 1
        assert site.wue >= 0

    @given(kind, temperature, temperature, st.booleans())
    def test_a_colder_site_never_has_a_higher_pue(self, cooling, one, other, evaporative):
        cold, warm = sorted((one, other))
        low, high = (energy.facility(cooling, t, evaporative=evaporative).pue for t in (cold, warm))
        assert low <= high + 1e-12

    @given(temperature)
    def test_liquid_never_needs_more_than_air(self, outdoor):
        air, plate, tank = (energy.facility(k, outdoor).pue for k in energy.COOLING)
        assert tank <= plate + 1e-9
        assert plate <= air + 1e-9

    @given(kind, temperature)
    def test_towers_save_power_and_drink(self, cooling, outdoor):
        dry, wet = energy.facility(cooling, outdoor), energy.facility(cooling, outdoor, evaporative=True)
        assert wet.pue <= dry.pue + 1e-12
        assert dry.wue == 0
        assert 1.5 < wet.wue < 4  # industry average 1.8 L/kWh

    def test_a_fuller_building_wastes_less(self):
        pue = energy.facility("air", 15, load=np.array([0.2, 0.5, 1.0])).pue
        assert np.all(np.diff(pue) < 0)

    def test_a_kilogram_of_water_carries_two_and_a_half_megajoules(self):
        site = energy.facility("immersion", 10, evaporative=True)
        c = catalog.constants("cooling")
        heat = 1 + site.fans_and_pumps + site.chiller
        assert site.wue * 2.45e6 / c["blow_down"] == pytest.approx(heat * kWh)

    # Round numbers, so that the sums below can be done by hand.
    ROUND = {
        "power_chain_loss": 0.05, "power_chain_loss_direct": 0.02, "other_share": 0.01, "fixed_share": 0.6,
        "supply_air": 24.0, "supply_air_mixed": 14.0, "approach_air": 6.0, "supply_liquid": 35.0,
        "supply_immersion": 40.0, "approach_liquid": 5.0, "cold_plate_capture": 0.75, "room_fans": 0.04,
        "mixed_flow": 2.5, "pumps": 0.015, "chiller_efficiency": 0.4, "chiller_overhead": 0.02,
        "condenser_lift": 12.0, "economiser_band": 6.0, "evaporation_heat": 2.4e6, "blow_down": 1.5, "yearly_swing": 9.0,
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("site", "chiller", "moved"),
        [
            # Carnot: (24 + 273.15) / (40 + 12 - 24) = 10.61, of which 40 % is reached: 1 / 4.245, and 0.02 beside.
            ({"outdoor_temperature": 40}, 0.2556, 0.04),
            # 18 + 6 is just the supply's 24 degrees: on half of the time, at the 12 that real chillers stop at.
            ({"outdoor_temperature": 18}, 0.5 * (1 / 12 + 0.02), 0.04),
            ({"outdoor_temperature": 0}, 0.0, 0.04),
            ({"outdoor_temperature": 0, "economiser": False}, 1 / 12 + 0.02, 0.04),
            # Mixed air has to be 14 degrees, two and a half times as much: 38 / (0.4 x 287.15) + 0.02.
            ({"outdoor_temperature": 40, "contained": False}, 0.3508, 0.1),
            # A quarter to air, the rest to plates of 35 degrees: 17 / (0.4 x 308.15) + 0.02.
            ({"cooling": "cold plate", "outdoor_temperature": 40}, 0.25 * 0.2556 + 0.75 * 0.1579, 0.25 * 0.04 + 0.75 * 0.015),
            ({"cooling": "immersion", "outdoor_temperature": 40}, 12 / (0.4 * 313.15) + 0.02, 0.015),
            # Towers cool down to the wet bulb, 5 degrees lower if nobody says how much.
            ({"outdoor_temperature": 45, "evaporative": True}, 0.2556, 0.04),
            ({"outdoor_temperature": 45, "wet_bulb_temperature": 18, "evaporative": True}, 0.5 * (1 / 12 + 0.02), 0.04),
        ],
    )  # fmt: skip
    def test_chillers_fans_and_pumps_by_hand(self, site, chiller, moved):
        found = energy.facility(**site, constants=self.ROUND)
        assert found.chiller == pytest.approx(chiller, abs=1e-4)
        assert found.fans_and_pumps == pytest.approx(moved)
        assert found.pue == pytest.approx(1 + 0.05 + 0.01 + moved + chiller, abs=1e-4)

    def test_a_half_empty_building_pays_its_fixed_losses_twice(self):
        # 0.6 of each loss is fixed: at half load 0.6 / 0.5 + 0.4 = 1.6 times as much a watt of IT.
        half = energy.facility("air", 18, load=0.5, constants=self.ROUND)
        assert (half.power_chain, half.other, half.fans_and_pumps) == pytest.approx((0.08, 0.016, 0.064))
        assert half.chiller == pytest.approx(0.5 * (1 / 12 + 1.6 * 0.02))

    def test_the_chiller_rests_as_long_as_the_air_is_cold(self):
        degrees = np.array([0.0, 15.0, 18.0, 21.0, 40.0])  # the band is 6 degrees wide, its middle at 18
        assert energy.facility("air", degrees, constants=self.ROUND).free_cooling == pytest.approx([1, 1, 0.5, 0, 0])
        plate = energy.facility("cold plate", np.array([21.0, 30.0]), constants=self.ROUND).free_cooling
        assert plate == pytest.approx([0.75, 0.75 * 0.5])

    def test_without_an_uninterruptible_supply_less_is_lost(self):
        assert energy.facility("air", 0, backed_up=False, constants=self.ROUND).power_chain == pytest.approx(0.02)

    def test_a_place_without_seasons_has_the_same_day_all_year(self):
        for cooling in ("air", "cold plate"):
            for temperature in (5.0, 30.0):
                year = energy.yearly_facility(cooling, temperature, swing=0)
                day = energy.facility(cooling, temperature)
                assert (year.pue, year.wue) == (pytest.approx(day.pue), pytest.approx(day.wue))

    def test_a_year_lies_between_its_coldest_and_its_warmest_day(self):
        year = energy.yearly_facility("air", 12)
        assert energy.facility("air", -8).pue <= year.pue <= energy.facility("air", 32).pue
        assert 0.5 < year.free_cooling < 0.95

    def test_broadcasting_equals_the_loop(self):
        kinds, degrees = np.array(energy.COOLING, dtype=object)[:, None], np.array([0.0, 20.0, 35.0])
        for function in (energy.facility, energy.yearly_facility):
            together = function(kinds, degrees)
            for i, k in enumerate(energy.COOLING):
                for j, t in enumerate(degrees):
                    assert together.pue[i, j] == pytest.approx(function(k, t).pue)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="cooling='water'"):
            energy.facility("water")
        with pytest.raises(ValueError, match="outdoor_temperature=300"):
            energy.facility("air", 300)
        with pytest.raises(ValueError, match="wet_bulb_temperature=25"):
            energy.facility("air", 20, 25)
        with pytest.raises(ValueError, match="load=0"):
            energy.facility("air", 20, load=0)


class TestJob:
    def test_ten_days_of_a_node_by_hand(self):
        job = energy.energy_of(DGX, 1, 240 * hour, 500.0, site=1.25, grid=1e-7)
        node = energy.server_power(DGX, 500.0).total
        assert job.total == pytest.approx(node * 240 * 3600 * 1.25)
        assert job.kilowatt_hours == pytest.approx(job.total / 3.6e6)
        assert job.operational_carbon == pytest.approx(job.total * 1e-7)
        assert sum(job.breakdown.values()) == pytest.approx(job.total)
        assert job.carbon == pytest.approx(job.operational_carbon + job.embodied_carbon)

    def test_water_and_making_by_hand(self):
        c = catalog.constants("carbon")
        site = energy.facility("air", 20, evaporative=True)
        job = energy.energy_of(DGX, 2, 100 * hour, 500.0, site=site)
        cards = 2 * 100 * 3600 * 8 * 500
        cord = 2 * 100 * 3600 * energy.server_power(DGX, 500.0).total
        assert job.breakdown == pytest.approx(
            {"accelerators": cards, "rest of servers": cord - cards, "building": cord * (site.pue - 1)}
        )
        assert job.water == pytest.approx(cord / kWh * site.wue + job.total * c["water_per_joule_grid"])
        # Two servers for 100 hours of the hours that they work in their life.
        life = c["lifetime"] * c["utilization"]
        assert job.embodied_carbon == pytest.approx(2 * 100 * hour / life * energy.embodied_carbon(DGX))
        assert job.operational_carbon == pytest.approx(job.total * catalog.grid("World 2024").carbon_intensity)

    def test_gpt3_took_about_1300_megawatt_hours(self):
        # Patterson et al. 2021: 10,000 V100 for 14.8 days at 330 W each, servers included, PUE 1.1: 1,287 MWh.
        node = catalog.server("DGX-1 V100")
        job = energy.energy_of(node, 10_000 / 8, 14.8 * 24 * hour, 230.0, site=1.1)
        assert job.total / 3.6e9 == pytest.approx(1287, rel=0.15)

    def test_the_grid_decides_where_running_is_clean(self):
        france, poland = (energy.energy_of(DGX, 1, hour, grid=catalog.grid(g)) for g in ("France", "Poland"))
        assert poland.operational_carbon > 8 * france.operational_carbon
        assert poland.embodied_carbon == france.embodied_carbon
        # On a clean grid, making the server is no small part.
        assert france.embodied_carbon > 0.2 * france.carbon
        assert poland.embodied_carbon < 0.1 * poland.carbon

    def test_eight_h100_embody_about_1300_kilograms(self):
        # NVIDIA's product carbon footprint of HGX H100: 1,312 kg for eight.
        assert 8 * energy.embodied_carbon(H100) == pytest.approx(1312, rel=0.02)
        assert energy.embodied_carbon(DGX) > 2000

    def test_towers_add_water_on_site(self):
        dry = energy.energy_of(DGX, 1, hour, site=energy.yearly_facility("air", 12))
        wet = energy.energy_of(DGX, 1, hour, site=energy.yearly_facility("air", 12, evaporative=True))
        assert wet.water > dry.water > 0

    @settings(max_examples=30)
    @given(st.floats(0, 1e4), st.floats(0, 1e8))
    def test_energy_is_proportional_to_servers_and_time(self, servers, seconds):
        one = energy.energy_of(DGX, 1, 1)
        job = energy.energy_of(DGX, servers, seconds)
        assert job.total == pytest.approx(servers * seconds * one.total)
        assert job.carbon == pytest.approx(servers * seconds * one.carbon)

    def test_broadcasting_equals_the_loop(self):
        counts, times = np.array([1.0, 8.0])[:, None], np.array([1.0, hour, 100 * hour])
        together = energy.energy_of(DGX, counts, times)
        for i in range(2):
            for j in range(3):
                alone = energy.energy_of(DGX, counts[i, 0], times[j])
                assert together.carbon[i, j] == pytest.approx(alone.carbon)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="pue=0.9"):
            energy.energy_of(DGX, 1, 1, site=0.9)
        with pytest.raises(ValueError, match="seconds=-1"):
            energy.energy_of(DGX, 1, -1)


@pytest.mark.parametrize("result", [
    energy.operating_point(H100, 0.9, 0.5), energy.power_cap(A100, 300, 200), energy.best_cap(A100, 300),
    energy.server_power(DGX), energy.facility("air", 20), energy.energy_of(DGX, 4, hour),
], ids=lambda r: type(r).__name__)  # fmt: skip
def test_results_print_short(result):
    text = str(result)
    assert "nan" not in text
    assert 1 <= len(text.splitlines()) <= 12
