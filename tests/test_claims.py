"""The documents' claims: every one has a verdict, it follows from what is found, and its chapter treats it."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcserver import catalog, claims, cost
from dcserver.catalog.fields import CONFIDENCE
from dcserver.claims.evidence import RECOMPUTED, recomputes
from dcserver.claims.records import records
from dcserver.claims.rule import SLIPS
from dcserver.units import GB, TB, Gbps

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
# How many figures each document gives: the ids run from 01 without a gap.
FIGURES = {"D0": 26, "D1": 4, "D2": 50, "D3": 2, "D4": 7}
EVERY = tuple(f"{d}-{n:02}" for d, count in FIGURES.items() for n in range(1, count + 1))


# Every figure is there, with reason, source and chapter.


def test_every_figure_of_the_documents_has_a_row() -> None:
    assert tuple(records()) == EVERY
    assert len(EVERY) == 89


@pytest.mark.parametrize("claim", EVERY)
def test_no_verdict_is_without_reason_source_and_address(claim: str) -> None:
    record = records()[claim]
    assert record.document == claim[:2]
    assert record.why.endswith(".")
    assert len(record.why.split()) >= 4
    assert record.source
    assert record.source_address
    assert record.confidence in CONFIDENCE
    assert all(number.isdigit() for number in record.chapters)
    assert claims.verdict(claim).verdict in claims.VERDICTS


def test_no_verdict_is_typed() -> None:
    assert "verdict" not in catalog.tables.rows_of("data", "claims")[0]


def test_what_is_stated_is_a_range_in_order() -> None:
    for record in records().values():
        if record.id == "D1-04":  # "could speed some tasks up": there is no number to be had
            assert math.isnan(record.low)
            continue
        assert record.low <= record.high, record.id


@pytest.mark.parametrize("claim", EVERY)
def test_the_claim_is_treated_in_its_chapters(claim: str) -> None:
    missing = []
    for number in records()[claim].chapters:
        paths = list(NOTEBOOKS.glob(f"{number}_*.ipynb"))
        if not paths:
            missing.append(number)
            continue
        cells = json.loads(paths[0].read_text(encoding="utf-8"))["cells"]
        assert any(claim in "".join(cell["source"]) for cell in cells), f"{paths[0].name} does not treat {claim}"
    if missing:
        pytest.skip(f"{claim}: chapter {', '.join(missing)} does not exist yet")


# Verdicts follow from the values.


@pytest.mark.parametrize("claim", sorted(RECOMPUTED))
def test_a_computed_claim_is_recomputed_and_judged_by_the_rule(claim: str) -> None:
    evidence, finding = claims.recompute(claim), claims.verdict(claim)
    assert evidence.found or evidence.conditions
    assert all(math.isfinite(v) for v in (*evidence.found, *evidence.conditional))
    assert finding.evidence.found[: len(evidence.found)] == pytest.approx(evidence.found)
    record = finding.claim
    values = (*evidence.found, *record.references)
    under = (*evidence.conditional, *(v for vs in record.conditions.values() for v in vs))
    assert finding.verdict == claims.judge(record.low, record.high, values, under, record.tolerance, record.bar)


def test_a_different_machine_would_get_a_different_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    record = records()["D0-13"]
    assert claims.judge(record.low, record.high, claims.recompute("D0-13").found) == "wrong"
    assert claims.judge(record.low, record.high, [168.0, 168.0]) == "right"


def test_verdicts_that_sources_settle_by_hand() -> None:
    by_hand = {
        "D0-01": "right",  # 132 SM x 128 lanes x 2 x 1.98 GHz = 66.9 TFLOP/s, 0.6 % below 67.3
        "D0-02": "misleading",  # 1,979 dense, 3,958 sparse
        "D0-13": "wrong",  # 132
        "D0-21": "wrong",  # 120 tiles x 25 chips
        "D2-07": "misleading",  # 16,621 / 2,855 images/s = 5.82: eight A100 over eight V100
        "D2-08": "wrong",  # OpenCL 3.0
        "D2-21": "wrong",  # 1,979 TFLOP/s
        "D2-25": "wrong",  # 32 GT/s x 16 lanes x 128/130 / 8 = 63 GB/s
        "D2-42": "wrong",
        "D2-46": "cannot be known",
        "D4-02": "right",
    }
    assert {claim: claims.verdict(claim).verdict for claim in by_hand} == by_hand


def test_figures_that_hands_can_check() -> None:
    assert claims.recompute("D2-25").found[0] == pytest.approx(32e9 * 16 / 8 * 128 / 130, rel=1e-3)
    assert claims.recompute("D2-07").conditional[0] == pytest.approx(16621 / 2855, rel=1e-3)
    assert claims.recompute("D2-29").found[0] == pytest.approx((20 / 3.87) ** (1 / 7) - 1)
    assert claims.recompute("D2-30").found[0] == pytest.approx(3.87e9 * 1.382**7)
    assert claims.recompute("D2-18").found == (math.floor(math.log2(16384 * 96e9 / 16)),)
    assert claims.recompute("D0-23").found[0] == 512 * 512 * 300 * 2
    assert claims.recompute("D2-09").conditional == (pytest.approx(96800 / 0.1408),)


def test_statements_of_one_document_contradict_each_other() -> None:
    start, rate, end = (records()[c].low for c in ("D2-28", "D2-29", "D2-30"))
    assert cost.compound(start, rate, 7) > 1.8 * end


def test_every_verdict_occurs_and_they_add_up() -> None:
    counts = claims.table().counts
    assert all(counts.values())
    assert sum(counts.values()) == len(EVERY)


# The rule.


def test_a_number_gets_a_tenth_and_a_bound_gets_nothing() -> None:
    assert claims.agrees(100, 100, [89.9, 90.1, 109.9, 110.1]).tolist() == [False, True, True, False]
    assert not claims.agrees(2000, np.inf, 1999.9)
    assert not claims.agrees(-np.inf, 1.1, 1.101)
    assert not claims.agrees(3.2, 3.2, 3.0, tolerance=0)


def test_the_rule_in_words() -> None:
    assert claims.judge(2, 3, [2.3, 3.27]) == "right"
    assert claims.judge(10, 30, [6.5, 14.3]) == "misleading"
    assert claims.judge(5.8, 5.8, [2.3, 3.3], [5.82]) == "misleading"
    assert claims.judge(168, 168, [132], [144]) == "wrong"
    assert claims.judge(67, 67, []) == "cannot be known"
    assert claims.judge(67, 67, [], [67]) == "cannot be known"  # a condition alone is no witness
    assert claims.judge(200, np.inf, [2000] * 20, bar=True) == "misleading"
    assert claims.judge(200, np.inf, [100, 2000], bar=True) == "right"
    assert claims.judge(200, np.inf, [100], bar=True) == "wrong"


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=4), st.floats(1e-3, 1e3), st.floats(0, 0.5), st.floats(0, 0.4)
)
def test_a_larger_tolerance_never_worsens_a_verdict(
    found: list[float], stated: float, less: float, more: float
) -> None:
    order = ("wrong", "misleading", "right")
    strict, lax = (order.index(claims.judge(stated, stated, found, (), t)) for t in (less, less + more))
    assert strict <= lax


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
def test_times_off_does_not_ask_for_the_unit(stated: float, found: float, unit: float) -> None:
    assert claims.times_off(stated, stated, found) == pytest.approx(stated / found)
    assert claims.times_off(stated * unit, stated * unit, found * unit) == pytest.approx(stated / found)


def test_the_rule_takes_arrays() -> None:
    low, high = np.array([1.0, 10.0])[:, None], np.array([1.0, 30.0])[:, None]
    found = np.array([0.5, 1.0, 12.0, 60.0])
    loop = [[claims.times_off(a, b, v) for v in found] for a, b in zip(low.ravel(), high.ravel(), strict=True)]
    assert claims.times_off(low, high, found).tolist() == loop
    assert claims.agrees(low, high, found).shape == (2, 4)


def test_suspects_name_the_slip() -> None:
    cxl = TB / claims.recompute("D2-25").found[0]
    assert claims.suspects(cxl)[0] == "bits for bytes, both directions for one"
    assert claims.suspects(400 * GB / (400 * Gbps))[:2] == ("bits for bytes", "the whole server for one card")
    assert claims.suspects(1000.0)[0] == claims.suspects(0.001)[0] == "a prefix"
    assert claims.suspects(5.82) == ()
    assert set(SLIPS) >= {"sparse for dense", "both directions for one"}


# Asking.


def test_a_finding_prints_what_an_auditor_writes_down() -> None:
    text = str(claims.verdict("d2-07"))
    for word in ("stated   5.8 times", "found    2.29 to 3.27 times", "only if  eight A100", "misleading", "source"):
        assert word in text


def test_tables_filter() -> None:
    assert len(claims.table()) == len(EVERY)
    assert {f.claim.document for f in claims.table(document="D3")} == {"D3"}
    assert all(f.verdict == "wrong" for f in claims.table(verdict="wrong"))
    assert claims.table(document="D3", verdict="wrong") == ()
    assert str(claims.table(document="D3", verdict="wrong")) == "no claim"
    assert [row[0] for row in claims.table(topic="software").rows] == ["row", "D2-08", "D2-26", "D2-27"]
    assert all("10" in f.claim.chapters for f in claims.table(chapter="10"))


def test_unknown_words_suggest_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown claim 'D0-99'; the nearest are D0-\d\d"):
        claims.verdict("D0-99")
    with pytest.raises(ValueError, match="did you mean 'energy'"):
        claims.table(topic="energie")
    with pytest.raises(ValueError, match="is not one of 'right'"):
        claims.table(verdict="true")
    with pytest.raises(ValueError, match="D2-46 has no model: nothing decides it"):
        claims.recompute("D2-46")
    with pytest.raises(ValueError, match="D0-21 has no model: published figures decide it"):
        claims.recompute("D0-21")
    with pytest.raises(ValueError, match="recomputed twice"):
        recomputes("D0-01")(lambda: 1.0)


def test_how_far_off_is_known_wherever_something_was_found() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for finding in claims.table():
            off, best = finding.times_off, finding.times_off_at_best
            positive = any(v > 0 for v in finding.evidence.found)
            assert math.isnan(off) == (not positive or finding.claim.high == 0), finding.claim.id
            if not math.isnan(off):
                assert abs(math.log(best)) <= abs(math.log(off)) + 1e-12
    assert claims.verdict("D2-42").times_off == pytest.approx(1e18 / 12.4e12, rel=1e-3)


# Sheets to practise on.


@pytest.mark.parametrize("seed", range(40))
def test_an_invented_sheet_is_wrong_where_it_says(seed: int) -> None:
    sheet = claims.practice_sheet(seed)
    assert len(sheet.planted) == 4
    for line in sheet.lines:
        off = line.stated / line.true
        assert line.honest == (off == 1)
        if not line.honest:
            assert line.slip in claims.suspects(off)
            assert claims.judge(line.stated, line.stated, [line.true]) == "wrong"
        assert line.text in str(sheet)


def test_the_sheet_of_the_chapter_by_hand() -> None:
    sheet = claims.practice_sheet(17)
    facts = list(sheet.facts.values())
    by_letter = {line.letter: line.true for line in sheet.lines}
    assert by_letter["a"] == pytest.approx(facts[0] * facts[1] * 1e9 * 4096)
    assert by_letter["d"] == pytest.approx(facts[4] * 1024 * facts[7] * 1e9 / 8)
    assert by_letter["f"] == 64e9
    assert by_letter["h"] == pytest.approx(by_letter["c"] / 16)


def test_sheets_refuse_what_makes_no_sense() -> None:
    assert claims.practice_sheet(1, slips=0).planted == frozenset()
    with pytest.raises(ValueError, match="7 or less"):
        claims.practice_sheet(1, slips=8)
    with pytest.raises(ValueError, match="whole number"):
        claims.practice_sheet(1, slips=1.5)  # type: ignore[arg-type]
