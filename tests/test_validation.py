"""The scorer: any file with a known table's columns, nothing dropped silently, error bars that were earned."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcserver import catalog, validation
from dcserver.validation.__main__ import main
from dcserver.validation.score import Comparison, Score, summary

KEYS = {
    "table",
    "rows_total",
    "rows_scored",
    "median_abs_error",
    "p90_abs_error",
    "bias",
    "coverage",
    "uncovered",
    "groups",
}


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize("table", validation.TABLES)
def test_every_row_is_scored_or_named(table: str) -> None:
    rows = catalog.measurements(table)
    report = validation.score_rows(table, rows).as_dict(rows=True)
    assert report.keys() >= KEYS
    scored = {r["row"] for r in report["rows"]}
    named = {r["row"] for r in report["rows_not_covered"]}
    assert scored | named == set(range(len(rows)))
    assert not scored & named
    assert report["rows_scored"] == len(scored) > 0
    assert sum(report["uncovered"].values()) == len(named)
    assert all(np.isfinite(r["predicted"]) and r["predicted"] > 0 for r in report["rows"])
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("table", validation.TABLES)
def test_table_is_recognised_by_its_columns(table: str) -> None:
    assert validation.detect(catalog.measurements(table)[0].keys()) == table


@pytest.mark.parametrize("table", validation.TABLES)
def test_absurd_cells_are_named_not_crashed_on(table: str) -> None:
    good = next(r for r in validation.score(table).comparison.rows)
    row = dict(catalog.measurements(table)[good])
    numeric = [c for c, v in row.items() if v and c not in {"source", "notes", "source_address"} and _is_number(v)]
    for absurd in ("-1", "nan", "0", "inf", "plenty"):
        broken = [row | {column: absurd} for column in numeric]
        score = validation.score_rows(table, [row, *broken])
        assert np.isfinite(score.predicted).all(), absurd
        assert (score.predicted > 0).all(), absurd


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("table", validation.TABLES)
def test_unknown_device_and_empty_row_are_uncovered_with_a_reason(table: str) -> None:
    columns = catalog.measurements(table)[0].keys()
    score = validation.score_rows(table, [dict.fromkeys(columns, ""), dict.fromkeys(columns, "nonsense")])
    assert len(score.comparison.rows) == 0
    assert set(score.comparison.uncovered) == {0, 1}
    assert all(len(reason) > 5 for reason in score.comparison.uncovered.values())


def test_a_file_scores_as_the_table_it_came_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_csv(tmp_path / "mine.csv", catalog.measurements("roofline_power")[::7])
    assert main([str(path), "--json", "--rows"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["table"] == "roofline_power"
    assert report["rows_total"] == len(catalog.measurements("roofline_power")[::7])
    assert all({"row", "measured", "predicted", "error"} <= r.keys() for r in report["rows"])


def test_text_report_names_errors_and_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = catalog.measurements("roofline_power")[:4]
    rows[0] = rows[0] | {"accelerator": "Abacus 3000"}
    assert main([str(write_csv(tmp_path / "x.csv", rows)), "--rows"]) == 0
    out = capsys.readouterr().out
    assert "3 of 4 rows scored" in out
    assert "median absolute error" in out
    assert "Abacus 3000" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "columns of no known table"),
        ("", "columns of no known table"),
    ],
)
def test_files_of_no_table_get_a_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    assert main([str(path)]) == 2
    assert message in capsys.readouterr().err


def test_missing_and_binary_files_get_a_clear_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.csv")]) == 2
    assert "absent.csv" in capsys.readouterr().err
    (tmp_path / "x.csv").write_bytes(bytes(range(256)))
    assert main([str(tmp_path / "x.csv")]) == 2
    assert "error:" in capsys.readouterr().err


def test_the_module_runs_as_a_command() -> None:
    command = [sys.executable, "-m", "dcserver.validation", "--table", "roofline_power", "--json"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert report.keys() >= KEYS


def test_errors_of_a_hand_made_comparison() -> None:
    comparison = Comparison(
        rows=[0, 1, 1], quantities=["t", "t", "w"], groups=["a", "a", "b"], measured=np.array([1.0, 2.0, 4.0]),
        predict=lambda _: np.array([1.1, 1.8, 4.0]), uncovered={2: "no reason to"}, families=["gemm"] * 3,
    )  # fmt: skip
    report = Score("gemm", 3, comparison, comparison.predict(None)).as_dict()
    assert report["rows_scored"] == 2
    assert report["median_abs_error"] == pytest.approx(0.1)
    assert report["bias"] == pytest.approx(0.0)
    assert report["uncovered"] == {"no reason to": 1}
    assert report["groups"]["a"]["median_abs_error"] == pytest.approx(0.1)


def test_no_values_no_errors() -> None:
    assert summary(np.zeros(0)) == {"median_abs_error": None, "p90_abs_error": None, "bias": None}


@given(value=st.floats(1e-12, 1e18))
def test_every_error_bar_scales_with_its_value_and_has_a_width(value: float) -> None:
    for family in validation.families():
        low, high = validation.interval(family, value)
        assert 0 < low < high
        assert low / value == pytest.approx(validation.interval(family, 1.0)[0])


def test_error_bar_takes_arrays_and_rejects_unknown_families() -> None:
    low, high = validation.interval("gemm", np.array([[1.0, 2.0]]))
    assert low.shape == high.shape == (1, 2)
    with pytest.raises(ValueError, match="nonsense"):
        validation.interval("nonsense", 1.0)


def test_an_error_bar_says_where_it_comes_from() -> None:
    bar = validation.error_bar("gemm:matmul")
    assert validation.interval("gemm:matmul", 100.0) == (100 * bar.low, 100 * bar.high)
    assert bar.low <= bar.median <= bar.high
    assert bar.median_abs_error <= bar.p90_abs_error
    assert f"{bar.values} values" in str(bar)
    assert "left out" in str(bar)
    with pytest.raises(ValueError, match="nonsense"):
        validation.error_bar("nonsense")


@pytest.mark.parametrize("table", validation.TABLES)
def test_about_four_of_five_measurements_lie_inside_their_bar(table: str) -> None:
    coverage = validation.score(table).as_dict()["coverage"]
    assert coverage >= 0.6, "the bar comes from left-out rows, so the fitted rows should mostly lie inside"
