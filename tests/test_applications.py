"""What applications ask for: counts by hand, laws of growth, and given runs that took no part in the counting."""

import dataclasses
import doctest
import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import applications, catalog, interconnect, validation
from dcserver.units import day, year

APPLICATIONS = catalog.table("applications")
H100 = catalog.accelerator("H100 SXM")
DGX = catalog.server("DGX H100")
SERVERS = [catalog.server(n) for n in ("DGX H100", "DGX A100", "DGX B200", "8x MI300X server", "traditional server")]


@pytest.mark.parametrize("module", ["climate", "imaging", "signals", "sizing"])
def test_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(importlib.import_module(f"dcserver.applications.{module}")).failed == 0


# --- The rows, counted again ---------------------------------------------------------------------------------------


def test_a_year_of_climate_at_ten_kilometres_by_hand():
    """5.1e14 m2 in cells of 1e8 m2, 90 high; a year in steps of 66.7 s; 200 numbers of 8 bytes, 16 times each step."""
    cell_steps = 5.101e6 * 90 * (31_557_600 / (10e3 / 150))
    row = APPLICATIONS["climate"]
    assert row.traffic_bytes == pytest.approx(cell_steps * 200 * 16 * 8, rel=1e-3)
    assert row.flops == pytest.approx(cell_steps * 200 * 16 * 2, rel=1e-3)
    assert row.resident_bytes == pytest.approx(5.101e6 * 90 * 200 * 8, rel=1e-3)
    # Pieces of 399 x 399 columns: four edges, 90 high, 12 fields, 2 deep, 3 stages, 8 bytes.
    rims = 32 * 4 * np.sqrt(5.101e6 / 32) * 90 * (12 * 2 * 3 * 8)
    assert row.network_bytes == pytest.approx(rims * 31_557_600 / (10e3 / 150), rel=1e-3)


def test_the_climate_row_is_the_climate_function_without_the_fixed_time_of_a_step():
    for finer in (0.5, 1, 8):
        asked = applications.demand(APPLICATIONS["climate"], 10 * finer)
        run = applications.climate(10e3 / finer, 100, H100)
        traffic = applications.cell_work()["traffic"]
        assert asked["memory bandwidth"] * day == pytest.approx(run.cell_steps_a_year * traffic, rel=1e-3)
        assert asked["memory capacity"] == pytest.approx(run.bytes_a_card * 100, rel=1e-3)


def test_antennas_by_hand():
    """8 x 1024 x 64 FLOP for each of 3,276 x 14 values: 24.05 GFLOP; weights for 273 blocks: 13.9 GFLOP."""
    apply = 8 * 1024 * 64 * 3276 * 14
    weights = 273 * (12 * 1024 * 64**2 + 8 / 3 * 64**3)
    assert applications.mimo_flops(1024, 64) == pytest.approx(apply + weights)
    row = APPLICATIONS["massive MIMO"]
    assert row.flops == pytest.approx(apply + weights, rel=0.01)
    assert row.network_bytes / row.deadline == pytest.approx(375.7e9, rel=1e-3)  # 3 Tb/s


def test_the_protein_row_touches_the_count_and_its_power_law_stays_near():
    row = APPLICATIONS["protein structure"]
    assert row.flops == pytest.approx(applications.fold_flops(1024), rel=0.01)
    tokens = np.array([512, 2048, 5120])
    law = applications.demand(row, tokens)["compute"] * row.deadline
    assert np.abs(law / applications.fold_flops(tokens) - 1).max() < 0.3


def test_the_imaging_row_is_343_patches_of_the_catalogs_network():
    row, network = APPLICATIONS["medical imaging"], catalog.convnet("3D U-Net")
    assert row.flops == pytest.approx(applications.tiles(512, 128) * network.forward_flops, rel=1e-3)
    assert row.network_bytes == pytest.approx(2 * 512**3, rel=1e-3)
    passes = catalog.constants("inference")["convolution_passes"]
    assert row.traffic_bytes == pytest.approx(343 * passes * network.activation_elements, rel=1e-3)


def test_the_satellite_row_sees_every_byte_once():
    row, network = APPLICATIONS["satellite images"], catalog.convnet("ResNet-50")
    assert row.flops == pytest.approx(1e18 / network.input_elements * network.forward_flops, rel=1e-3)
    assert applications.demand(row)["network"] * 8 == pytest.approx(92.6e12, rel=1e-3)  # b/s
    passes = catalog.constants("inference")["convolution_passes"]
    assert row.traffic_bytes == pytest.approx(
        1e18 / network.input_elements * passes * network.activation_elements, rel=1e-3
    )


def test_other_rows_by_hand():
    asked = {name: applications.demand(row) for name, row in APPLICATIONS.items()}
    assert asked["neural signals"]["network"] == pytest.approx(2000 * 30_000 * 2)
    assert asked["language model"]["compute"] == pytest.approx(6 * 10e9 * 200e9 / (30 * day))
    assert asked["cloud gaming"]["network"] == pytest.approx(100 * 3840 * 2160 * 120 * 0.075 / 8, rel=1e-3)
    assert asked["fraud detection"]["memory bandwidth"] == pytest.approx(3e6 * 26 * 512, rel=1e-3)
    assert asked["driving perception"]["compute"] * day == pytest.approx(28130 * 24 * 6 * 1.3035e12, rel=1e-3)
    # three fifths of the card that is sold for it
    assert asked["cloud gaming"]["compute"] / 100 == pytest.approx(
        0.6 * catalog.accelerator("RTX 4080").peak("fp32"), rel=0.05
    )


@pytest.mark.parametrize("row", APPLICATIONS.values(), ids=str)
def test_each_row_is_complete_and_plausible(row):
    known = [f.name for f in dataclasses.fields(row) if isinstance(f.default, float)]
    assert not [n for n in known if np.isnan(getattr(row, n))]
    assert 0 < row.reach <= 1 <= row.factor <= 3
    assert row.scale_unit
    assert row.dtype in catalog.DTYPES


# --- Demand, supply, servers ---------------------------------------------------------------------------------------


def test_what_a_dgx_h100_has():
    there = applications.supply(DGX, "bf16")
    assert 0.7 < there["compute"] / (8 * 989.4e12) < 0.95  # sustained, not the data sheet
    assert 0.8 < there["memory bandwidth"] / (8 * 3.35e12) < 0.95
    assert there["network"] == 8 * 50e9
    assert there["storage"] == 8 * 6.5e9
    assert 8 * 80e9 < there["memory capacity"] < 8 * 86e9


def test_a_processor_computes_in_the_next_wider_format():
    ordinary = catalog.server("traditional server")
    assert applications.supply(ordinary, "int8") == applications.supply(ordinary, "fp32")
    with pytest.raises(ValueError, match="fp64"):
        applications.supply(dataclasses.replace(DGX, accelerator=catalog.accelerator("L40S")), "fp64")


@pytest.mark.parametrize("row", APPLICATIONS.values(), ids=str)
def test_servers_are_the_largest_ratio_rounded_up(row):
    sized = applications.size(row, DGX)
    assert sized.servers == np.ceil(max(sized.ratios.values()))
    assert sized.ratios[sized.limit] == max(sized.ratios.values())
    assert sized.low <= sized.servers <= sized.high
    assert 1500 < sized.power / sized.servers < 10_200  # idle to the data sheet's most


@given(grown=st.floats(1.01, 64), name=st.sampled_from(list(APPLICATIONS)), server=st.sampled_from(SERVERS))
@settings(max_examples=60, deadline=None)
def test_more_is_never_less(grown, name, server):
    row = APPLICATIONS[name]
    small, large = (applications.size(row, server, row.scale * g) for g in (1, grown))
    assert all(large.ratios[r] >= small.ratios[r] for r in applications.RESOURCES)
    assert large.servers >= small.servers >= 1
    assert np.isfinite(large.power)
    assert large.power >= 0.99 * small.power


@pytest.mark.parametrize("row", APPLICATIONS.values(), ids=str)
def test_an_array_of_scales_is_the_loop(row):
    scales = row.scale * np.array([[0.1, 1.0], [3.0, 50.0]])
    together = applications.size(row, DGX, scales)
    for index in np.ndindex(scales.shape):
        alone = applications.size(row, DGX, scales[index])
        assert together.limit[index] == alone.limit
        assert together.servers[index] == alone.servers
        assert together.power[index] == pytest.approx(alone.power)


def test_bad_scales_are_named():
    with pytest.raises(ValueError, match="scale=0"):
        applications.demand(APPLICATIONS["climate"], 0)
    with pytest.raises(ValueError, match="did you mean"):
        applications.screening("NLST, second roun")


def test_results_print_as_tables():
    assert "limited by memory bandwidth" in str(applications.size(APPLICATIONS["climate"], DGX))
    assert "simulated years a day" in str(applications.climate(10e3, 24, H100))
    assert "2 sizes" in str(applications.size(APPLICATIONS["climate"], DGX, [5.0, 10.0]))


# --- Climate -------------------------------------------------------------------------------------------------------


def test_the_fixed_part_of_a_step_is_made_of_the_packages_own_calls_and_messages():
    """1,600 kernels, each called and waited for; six messages that set out."""
    run = applications.climate(10e3, 64, H100)
    call = catalog.constants("operators")["call_eager"]
    latency = interconnect.transfer(0, catalog.link("InfiniBand NDR")).latency
    assert run.fixed == pytest.approx(1600 * call + 6 * latency)
    assert run.step == pytest.approx(day / run.years_a_day / run.steps_a_year)


def test_merged_kernels_shorten_both_parts_of_a_step():
    constants = {**catalog.constants("applications"), "cell_passes": 4}
    few, many = applications.climate(10e3, 64, H100, constants=constants), applications.climate(10e3, 64, H100)
    assert many.streaming == pytest.approx(4 * few.streaming)
    assert 3.9 < many.fixed / few.fixed < 4
    assert many.bytes_a_card == few.bytes_a_card


def test_the_bounds_of_the_assumed_passes_lie_within_the_error_bar_and_a_little_beyond():
    """Four to 64 passes instead of 16: a factor of four either way in traffic, three in a step that also exchanges."""
    factor = APPLICATIONS["climate"].factor
    speeds = [
        applications.climate(
            10e3, 1024, H100, constants={**catalog.constants("applications"), "cell_passes": n}
        ).years_a_day
        for n in (8, 16, 32)
    ]
    assert speeds[1] / factor < speeds[2] < speeds[1] < speeds[0] < speeds[1] * factor


def test_a_slower_link_makes_a_longer_exchange():
    slow, fast = (
        applications.climate(10e3, 64, H100, link=catalog.link(n)) for n in ("InfiniBand HDR", "InfiniBand NDR")
    )
    assert slow.exchange > fast.exchange
    assert slow.streaming == fast.streaming


def test_halving_the_spacing_takes_eight_times_the_traffic_and_no_card_shortens_the_fixed_step():
    coarse, fine = applications.climate(10e3, 8, H100), applications.climate(5e3, 8, H100)
    assert fine.cell_steps_a_year == pytest.approx(8 * coarse.cell_steps_a_year)
    many = applications.climate(10e3, 10**7, H100)
    assert many.years_a_day == pytest.approx(many.most_years_a_day, rel=1e-2)
    assert many.most_years_a_day == pytest.approx(86400 / (year / (10e3 / 150) * many.fixed))


@given(spacing=st.floats(500, 1e5), cards=st.integers(1, 10**5))
@settings(max_examples=50, deadline=None)
def test_more_cards_are_faster_and_finer_grids_slower(spacing, cards):
    run = applications.climate(spacing, cards, H100)
    assert applications.climate(spacing, cards + 1, H100).years_a_day > run.years_a_day
    assert applications.climate(spacing / 2, cards, H100).years_a_day < run.years_a_day / 2
    assert run.years_a_day < run.most_years_a_day


# --- Images and diagnoses ------------------------------------------------------------------------------------------


def test_bayes_by_hand():
    """Of 10,000 with 100 ill: 95 found, 495 false alarms."""
    assert applications.predictive_value(0.95, 0.95, 0.01) == pytest.approx(95 / (95 + 495))


def test_bayes_meets_the_screening_trial():
    """Positive results and predictive value give the prevalence; sensitivity and specificity give the value back."""
    trial = applications.screening()
    s, c, positive, value = (trial[n] for n in ("sensitivity", "specificity", "positive results", "predictive value"))
    prevalence = (positive - (1 - c)) / (s - (1 - c))
    assert 0.005 < prevalence < 0.01
    assert applications.predictive_value(s, c, prevalence) == pytest.approx(value, rel=0.1)


@given(s=st.floats(0.01, 1), c=st.floats(0, 0.99), p=st.floats(0.001, 0.999))
def test_predictive_value_is_a_probability_and_grows_with_prevalence(s, c, p):
    value = applications.predictive_value(s, c, p)
    assert 0 <= value <= 1
    assert applications.predictive_value(s, c, min(p * 1.1, 1.0)) >= value


def test_a_patch_of_twice_the_edge_is_eight_times_the_work_with_the_same_weights():
    network = catalog.convnet("3D U-Net")
    large = applications.patch(network, 256)
    assert large.forward_flops == 8 * network.forward_flops
    assert large.activation_elements == 8 * network.activation_elements
    assert large.published_parameters == network.published_parameters


def test_tiles_cover_the_volume():
    assert applications.tiles(512, 128, 0.0) == 64
    assert applications.tiles(100, 128) == 1
    assert applications.tiles([128, 192, 256], 128).tolist() == [1, 8, 27]
    with pytest.raises(ValueError, match="overlap"):
        applications.tiles(512, 128, 1.0)


def test_impossible_shares_are_named():
    with pytest.raises(ValueError, match=r"sensitivity=1\.2"):
        applications.predictive_value(1.2, 0.5, 0.5)
    with pytest.raises(ValueError, match="share_of_positive_cases"):
        applications.trivial_accuracy(3, 2)


# --- Signals -------------------------------------------------------------------------------------------------------


def test_pictures_on_a_wire():
    assert applications.raw_rate(3840, 2160, 120) == 3840 * 2160 * 3 * 120
    assert applications.coded_rate(3840, 2160, 120) * 8 / 1e6 == pytest.approx(74.6, abs=0.1)


# --- Held against the given runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("use", validation.USES)
def test_the_reach_is_the_one_at_which_half_of_the_runs_on_a100_needed_more(use):
    off = [run.ratio for run in validation.sizing(use) if run.role == "read off"]
    assert len(off) >= 4
    assert np.median(off) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("use", validation.USES)
def test_the_factor_holds_nine_of_ten_runs_that_took_no_part(use):
    tests = [run for run in validation.sizing(use) if run.role == "test"]
    off = np.exp(np.quantile(np.abs(np.log([run.ratio for run in tests])), 0.9))
    assert not [run for run in tests if "A100" in run.accelerator]
    assert off <= APPLICATIONS[use].factor < 1.1 * off


def test_a_training_by_hand():
    """Llama 3.1 405B: 6 x 405.9e9 x 15.6e12 FLOP over 30.84 million hours of H100."""
    (run,) = (r for r in validation.sizing("language model") if r.what == "Llama-3.1-405B")
    sustained = applications.device_supply(H100, "bf16")[0]
    hours = 6 * 405.8534e9 * 15.6e12 / (APPLICATIONS["language model"].reach * sustained) / 3600
    assert run.measured == pytest.approx(30.84e6)
    assert run.model == pytest.approx(hours, rel=1e-3)
    assert run.ratio == pytest.approx(30.84e6 / hours, rel=1e-3)


def test_a_run_that_is_not_covered_says_why():
    every = [run for use in validation.USES for run in validation.sizing(use)]
    assert all(bool(run.why) == (run.role == "not covered") for run in every)
    assert {run.why for run in every if run.why} == {
        "a larger model taught it", "an upper bound", "it keeps all between two layers on the chip"
    }  # fmt: skip


@pytest.mark.parametrize("row", [r for n, r in APPLICATIONS.items() if n not in validation.USES], ids=str)
def test_what_no_run_stands_behind_says_so_and_is_known_to_a_factor_of_two_at_best(row):
    assert row.factor >= 2
    assert {"reach", "factor"} <= set(row.recalled_fields.split())
    with pytest.raises(ValueError, match="application="):
        validation.sizing(row.name)
