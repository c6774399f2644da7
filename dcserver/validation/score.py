"""Scoring a model against measurements: what is compared, the errors, and the error bar that they earn.

The error of a row is ``predicted / measured - 1``. The error bar of an answer reaches as far to either side, as a factor,
as four in five rows of a group not seen yet should lie: from ``measured / predicted`` of rows that were left out, a
group at a time, when the model's constants were fitted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog.tables import rows_of

Row = Mapping[str, str]
Constants = Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """Measured values of a table beside a function that predicts them from a family's constants.

    ``rows``, ``quantities``, ``groups``, ``families`` and ``measured`` are aligned with what ``predict(constants)``
    returns. A row may stand several times, once for each quantity measured. ``uncovered`` says for each row that is not
    scored why not: no row is dropped silently. Taught in chapter 17.

    Attributes
    ----------
    rows : int
        Index of each value's row.
    quantities : str
        What was measured.
    groups : str
        What is left out together.
    measured : SI
        The values.
    predict : function
        From constants to predictions.
    uncovered : dict of str
        Why a row is not scored, by its index.
    families : str, optional
        Error bar that each value belongs to.
    """

    rows: Sequence[int]
    quantities: Sequence[str]
    groups: Sequence[str]
    measured: np.ndarray
    predict: Callable[[Constants | None], np.ndarray]
    uncovered: Mapping[int, str] = field(default_factory=dict)
    families: Sequence[str] | None = None


@dataclass(frozen=True)
class Score:
    """How well a table was predicted; ``table_of_groups`` and ``rows`` hold the detail.

    Taught in chapter 02.

    Attributes
    ----------
    table : str
        Which one.
    rows_total : 1
        Rows that it has.
    comparison : Comparison
        Of its rows.
    predicted : SI
        Beside ``comparison.measured``.
    """

    table: str
    rows_total: int
    comparison: Comparison
    predicted: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """``predicted / measured - 1`` for every compared value."""
        return self.predicted / self.comparison.measured - 1

    def as_dict(self, rows: bool = False) -> dict[str, Any]:
        """Plain numbers and text, ready for JSON; with ``rows`` each compared value too."""
        c, errors = self.comparison, self.errors
        report: dict[str, Any] = {
            "table": self.table,
            "rows_total": self.rows_total,
            "rows_scored": len(set(c.rows)),
            **summary(errors),
            "coverage": _rounded(np.mean(self.inside())) if errors.size else None,
            "uncovered": dict(Counter(c.uncovered.values()).most_common()),
            "groups": {g: {"values": int(np.sum(mask)), **summary(errors[mask])} for g, mask in self._groups()},
        }
        if rows:
            inside = self.inside()
            report["rows"] = [
                {"row": int(r), "quantity": q, "group": g, "measured": float(m), "predicted": float(p),
                 "error": _rounded(p / m - 1), "inside_error_bar": bool(i)}
                for r, q, g, m, p, i in zip(c.rows, c.quantities, c.groups, c.measured, self.predicted, inside,
                                            strict=True)
            ]  # fmt: skip
            report["rows_not_covered"] = [{"row": int(r), "reason": why} for r, why in sorted(c.uncovered.items())]
        return report

    def inside(self) -> np.ndarray:
        """Whether each measured value lies inside the error bar of its prediction."""
        families = self.comparison.families or [self.table] * len(self.predicted)
        bounds = [interval(f, p) for f, p in zip(families, self.predicted, strict=True)]
        low, high = np.array(bounds).reshape(-1, 2).T
        return (self.comparison.measured >= low) & (self.comparison.measured <= high)

    def _groups(self) -> list[tuple[str, np.ndarray]]:
        names = np.array(list(self.comparison.groups), dtype=object)
        return [(str(g), names == g) for g in dict.fromkeys(self.comparison.groups)]

    def __str__(self) -> str:
        d = self.as_dict()
        if not d["rows_scored"]:
            lines = [f"{self.table}: none of {self.rows_total} rows could be scored"]
        else:
            lines = [
                f"{self.table}: {d['rows_scored']} of {self.rows_total} rows scored ({len(self.predicted)} values)",
                f"  median absolute error {d['median_abs_error']:.1%}, 90th percentile {d['p90_abs_error']:.1%}, "
                f"bias {d['bias']:+.1%}, inside the error bar {d['coverage']:.0%}",
            ]
            width = max(len(g) for g in d["groups"])
            for name, g in d["groups"].items():
                lines.append(
                    f"    {name:{width}}  {g['values']:4d} values  median {g['median_abs_error']:6.1%}  "
                    f"p90 {g['p90_abs_error']:6.1%}  bias {g['bias']:+6.1%}"
                )
        for reason, count in d["uncovered"].items():
            lines.append(f"  not covered: {count} rows: {reason}")
        return "\n".join(lines)


def summary(errors: np.ndarray) -> dict[str, float | None]:
    """Median and 90th percentile of the absolute error, and the median signed error (bias)."""
    if not np.size(errors):
        return {"median_abs_error": None, "p90_abs_error": None, "bias": None}
    absolute = np.abs(errors)
    return {
        "median_abs_error": _rounded(np.median(absolute)),
        "p90_abs_error": _rounded(np.quantile(absolute, 0.9)),
        "bias": _rounded(np.median(errors)),
    }


def _rounded(value: Any) -> float:
    return round(float(value), 6)


@dataclass(frozen=True)
class ErrorBar:
    """What measurements say about a family of answers: how far measured / predicted lies from 1, and errors.

    ``low`` and ``high`` hold four in five of a group not seen yet; ``residuals`` says which rows they come from. Taught in chapter 00.

    Attributes
    ----------
    family : str
        Of answers.
    values : 1
        That it rests on.
    low, median, high : 1
        Of measured over predicted; low to high hold four in five of a group not seen yet.
    median_abs_error, p90_abs_error : 1
        Of ``abs(predicted / measured - 1)``, rows left out.
    residuals : str
        Which rows they come from.
    """

    family: str
    values: int
    low: float
    median: float
    high: float
    median_abs_error: float
    p90_abs_error: float
    residuals: str

    def __str__(self) -> str:
        return (
            f"{self.family}: measured / predicted is {self.low:.2f} to {self.high:.2f} for four in five of "
            f"{self.values} values, median error {self.median_abs_error:.1%} ({self.residuals})"
        )


@cache
def error_bar(family: str) -> ErrorBar:
    """The error bar that a family of answers has earned.

    Parameters
    ----------
    family : str
        One of ``validation.families()``: a table of measurements, or a quantity of one ("collectives:large").

    Returns
    -------
    ErrorBar

    Raises
    ------
    ValueError
        If no error bar was earned for that family.

    Notes
    -----
    Taught in chapter 00.

    >>> bar = error_bar("gemm:matmul")
    >>> 0.5 < bar.low < 1 < bar.high < 2
    True
    """
    table = family.partition(":")[0]
    for row in rows_of("error_bars", table):
        if row["family"] == family:
            return ErrorBar(family, int(row["values"]), float(row["low"]), float(row["median"]), float(row["high"]),
                            float(row["median_abs_error"]), float(row["p90_abs_error"]), row["residuals"])  # fmt: skip
    raise ValueError(f"no error bar for family {family!r} in error_bars/{table}.csv")


def interval(family: str, value: Any) -> tuple[Any, Any]:
    """The range in which a measurement of a predicted value should lie, four times out of five.

    Parameters
    ----------
    family : str
        A table of measurements ("gemm"), or a quantity of one ("dvfs_zeus:time").
    value : float or array
        The model's answer, in any unit.

    Returns
    -------
    (low, high) : same shape and unit as ``value``
        ``value`` times the bar's ends of measured / predicted, from left-out rows.

    Raises
    ------
    ValueError
        If no error bar was earned for that family.

    Notes
    -----
    Taught in chapter 00.
    """
    bar = error_bar(family)
    value = np.asarray(value, dtype=float)
    return value * bar.low, value * bar.high


def families() -> list[str]:
    """Every family that has an error bar.

    Returns
    -------
    list of str

    Notes
    -----
    Taught in chapter 17.
    """
    from importlib import resources

    names = sorted(p.name[:-4] for p in (resources.files("dcserver.catalog") / "error_bars").iterdir()
                   if p.name.endswith(".csv"))  # fmt: skip
    return [row["family"] for name in names for row in rows_of("error_bars", name)]


def score_rows(table: str, rows: Sequence[Row]) -> Score:
    """Predict every row that the models cover and compare.

    Parameters
    ----------
    table : str
        Which table the rows belong to (see ``validation.TABLES``).
    rows : sequence of mappings
        Column name to text, as ``csv.DictReader`` gives them; an empty cell was not stated.

    Returns
    -------
    Score

    Raises
    ------
    ValueError
        As in ``compare``.

    Notes
    -----
    Taught in chapter 07.
    """
    from dcserver.validation import compare

    comparison = compare(table, rows)
    predicted = np.asarray(comparison.predict(None), dtype=float) if len(comparison.rows) else np.zeros(0)
    missing = set(range(len(rows))) - set(comparison.rows) - set(comparison.uncovered)
    if missing:
        raise AssertionError(f"{table}: rows {sorted(missing)[:5]} neither scored nor named as uncovered")
    return Score(table, len(rows), comparison, predicted)


def number(row: Row, column: str) -> float:
    """A cell as a finite number; NaN when it is absent, empty or no such number: then it counts as not stated.

    Parameters
    ----------
    row : mapping
        Column name to text.
    column : str
        Which cell.

    Returns
    -------
    float

    Notes
    -----
    Taught in chapter 17.
    """
    try:
        value = float(row.get(column) or "nan")
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def find_accelerator(name: str) -> catalog.Accelerator | None:
    """The catalog's accelerator of that name, or None: a row about an unknown device is not covered."""
    try:
        return catalog.accelerator(name)
    except ValueError:
        return None
