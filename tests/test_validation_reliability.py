"""How the failure rates agree with what was counted, what they did not see, and that a strange file is answered."""

import random

import numpy as np
import pytest

from dcserver import catalog, reliability, validation
from dcserver.catalog.tables import rows_of
from dcserver.units import day, hour
from dcserver.validation import reliability as table
from dcserver.validation.score import score_rows

ROWS = catalog.measurements("reliability")
LLAMA = 54 * day / 419


def row(**cells):
    base = {"category": "mttf", "study": "another", "metric": "mean_time_to_failure", "value": "3", "unit": "h",
            "n_accelerators": "16384", "period_days": "", "kind": "measured"}  # fmt: skip
    return base | {k: str(v) for k, v in cells.items()}


def predicted(**cells):
    comparison = table.compare([row(**cells)])
    assert comparison.uncovered == {}
    return float(comparison.predict(None)[0])


class TestGivenRows:
    def test_every_row_has_a_number_or_a_reason(self):
        report = validation.score("reliability").as_dict()
        assert report["rows_scored"] == 27
        assert sum(report["uncovered"].values()) == 6
        assert report["median_abs_error"] < 0.05

    def test_counts_of_a_class_agree_with_one_rate_as_poisson_numbers_do(self):
        # sum of (count - mean)^2 / mean over kinds that share a rate: about one for each of them less one
        c = validation.compare("reliability", ROWS)
        counts, means = c.measured, c.predict(None)
        kinds = np.array([table.constant_of(q) for q in c.quantities])
        cause = np.array([f == "reliability:cause" for f in c.families])
        for name, low, high in (("host_part", 0.5, 16.8), ("gpu_logic", 0.0, 5.0), ("software_rare", 0.0, 5.0)):
            own = cause & (kinds == name)
            assert low <= np.sum((counts[own] - means[own]) ** 2 / means[own]) < high, name

    def test_gpu_share_is_what_the_table_adds_up_to_not_what_the_paper_prints(self):
        c = validation.compare("reliability", ROWS)
        at = list(c.quantities).index("fraction_gpu_issues_of_unexpected")
        assert c.predict(None)[at] == pytest.approx(268 / 419, abs=1e-3)
        assert c.measured[at] == 0.587

    def test_the_constants_are_the_likeliest_rates(self):
        constants = catalog.constants("reliability")
        found = table.fit(ROWS)
        assert {r["name"] for r in rows_of("constants", "reliability") if r["fitted"] == "1"} == set(found)
        assert all(constants[name] == pytest.approx(value, rel=1e-4) for name, value in found.items())
        assert found["gpu_fault"] == pytest.approx(148 / (16384 * 54 * 24 / 1e6))
        assert found["host_part"] == pytest.approx((7 + 3 + 3 + 2 + 2 + 2 + 2) / 7 / (16384 * 54 * 24 / 1e6))

    def test_left_out_a_cause_is_told_by_the_others_of_its_class_alone(self):
        c, ratios = validation.compare("reliability", ROWS), table.left_out(ROWS)
        nic = list(c.quantities).index("NIC")
        assert ratios[nic] == pytest.approx(7 / (14 / 6))
        alone = list(c.quantities).index("Faulty GPU")
        assert alone not in ratios

    def test_no_constant_knows_the_other_job(self):
        names = {r["study"] for r in rows_of("data", "interruptions")}
        assert not names & {r["study"] for r in ROWS}
        (job,) = reliability.other_jobs()
        assert job.measured == pytest.approx(7.9 * hour)
        assert 0.1 < job.measured / job.model < 0.5, "one job's rates do not carry over to another fleet"


class TestOtherRows:
    def test_time_to_failure_in_any_unit(self):
        assert predicted() == pytest.approx(LLAMA / hour, rel=1e-3)
        assert predicted(unit="s") == pytest.approx(LLAMA, rel=1e-3)
        assert predicted(unit="days", n_accelerators=8) == pytest.approx(reliability.time_to_failure(8) / day)

    def test_rates_for_nodes_and_for_accelerators(self):
        node = predicted(category="failure_rate", metric="failures", unit="1/(node*day)")
        assert node == pytest.approx(419 / 54 / 2048, rel=1e-3)
        assert predicted(category="failure_rate", metric="failures_per_1000_node_days", unit="1") == pytest.approx(
            1000 * node
        )
        assert predicted(category="failure_rate", metric="failures", unit="1/(GPU*h)") == pytest.approx(node / 8 / 24)
        many = predicted(category="failure_rate", metric="failures", unit="1/(1000 node*day)")
        assert many == pytest.approx(1000 * node)

    def test_counts_grow_with_size_and_time(self):
        small = predicted(
            category="interruptions",
            metric="unexpected_interruptions",
            unit="events",
            n_accelerators=1024,
            period_days=10,
        )
        assert small == pytest.approx(10 * day / reliability.time_to_failure(1024))
        hardware = predicted(
            category="interruptions", metric="hardware_failures", unit="events", n_accelerators=1024, period_days=10
        )
        assert hardware < small
        double = predicted(
            category="interruption_cause", metric="GPU HBM3 memory", unit="events", n_accelerators=32768, period_days=54
        )
        assert double == pytest.approx(144, rel=1e-3)

    @pytest.mark.parametrize(("cause", "constant"), [
        ("GPU HBM3 memory", "gpu_memory"), ("GPU SRAM memory", "gpu_logic"), ("CPU", "host_part"), ("drive", "host_part"), ("NIC", "host_part"),
        ("ECC error", "gpu_memory"), ("NVLink error", "gpu_fault"), ("InfiniBand link flap", "network"), ("GPU Xid 79", "gpu_fault"),
        ("NCCL timeout", "software_rare"), ("CUDA driver bug", "software_bug"), ("meteorite", None), ("system memory", "host_part"),
    ])  # fmt: skip
    def test_causes_are_told_by_their_names(self, cause, constant):
        assert table.constant_of(cause) == constant

    def test_useful_time_uses_what_is_stated(self):
        plain = predicted(category="ettr", metric="effective_training_time_ratio", unit="1")
        slow = predicted(category="ettr", metric="effective_training_time_ratio", unit="1", notes="restart 30 min")
        rare = predicted(category="ettr", metric="goodput", unit="%", notes="checkpoint interval of 3 h")
        assert 0.9 < plain < 0.92
        assert slow < plain
        assert rare < 70

    def test_another_study_gets_the_wide_bar(self):
        assert table.compare([row()]).families == ["reliability:cause"]
        assert table.compare([row(study="Llama 3 405B pre-training")]).families == ["reliability:total"]

    @pytest.mark.parametrize(("cells", "reason"), [
        ({"n_accelerators": ""}, "accelerators not stated"), ({"unit": "parsec"}, "unit"), ({"value": "-1"}, "no usable value"),
        ({"category": "checkpoint"}, "specification"), ({"category": "weather"}, "no model"), ({"kind": "specification"}, "specification"),
        ({"category": "interruptions", "unit": "events", "metric": "failures"}, "no period"),
        ({"category": "interruption_cause", "unit": "events", "metric": "meteorite", "period_days": 3}, "no class"),
        ({"category": "throughput_variation"}, "temperature"),
    ])  # fmt: skip
    def test_what_is_not_covered_has_a_reason(self, cells, reason):
        (why,) = table.compare([row(**cells)]).uncovered.values()
        assert reason in why


class TestStrangeFiles:
    def test_damaged_cells_never_crash_and_no_row_is_lost(self):
        dice = random.Random(7)
        junk = ["", "nan", "-1", "0", "1e400", "abc", "1e30", "1e-30", "%", "  "]
        rows = []
        for _ in range(300):
            damaged = dict(dice.choice(ROWS))
            for column in dice.sample(list(damaged), 3):
                if dice.random() < 0.2:
                    del damaged[column]
                else:
                    damaged[column] = dice.choice(junk)
            rows.append(damaged)
        score = score_rows("reliability", rows)
        report = score.as_dict()
        assert np.isfinite(score.predicted).all()
        assert (score.predicted > 0).all()
        assert report["rows_scored"] + sum(report["uncovered"].values()) == 300

    def test_the_measured_answer_is_no_input(self):
        scaled = [r | {"value": str(0.8 * float(r["value"]))} if r["value"] else r for r in ROWS]
        one, other = validation.compare("reliability", ROWS), validation.compare("reliability", scaled)
        assert list(one.rows) == list(other.rows)
        assert one.predict(None) == pytest.approx(other.predict(None))
