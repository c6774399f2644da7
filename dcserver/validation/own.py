"""A user's own few measurements, taken into the models' constants without blowing these up.

One measured step cannot choose a dozen constants. So each is held to the package's value: the fit minimises

    sum over values of (log(predicted / measured) / SCATTER)^2  +  strength * sum over constants of ((x - x0) / spread)^2

with x the logarithm of a constant (the constant itself where its lower bound is 0). The spread is what sets one system
apart from the next: groups that the package's own fits left out are off by 3 to 14 % in the median (0.6 % for streaming
kernels), so the efficiencies and latencies behind them differ by about that; a constant counted from 0 by a tenth of
its bounds. No spread is wider than a quarter of the bounds in ``constants/<family>.csv``, which bracket what is
physically plausible: two standard deviations to either side. Values of one group share their weight as in the package's
own fit, and a value far off counts by its distance, not its square. One row then moves what explains most of it with the least change; many rows outvote the package;
what the rows say nothing of stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from dcserver import catalog
from dcserver.catalog.tables import rows_of
from dcserver.checks import require_positive
from dcserver.validation.score import Comparison, Row

# Which constants a table of measurements informs.
FAMILY_OF = {
    "gemm": "gemm", "ops_llmcompass": "operators", "collectives": "collectives",
    "training_megatron_sc21": "training", "training_korthikanti22": "training", "training_bloom_sweep": "training",
    "training_other": "training", "dvfs_zeus": "power", "roofline_power": "power",
}  # fmt: skip
# What the same job measured twice differs by, with the rounding of a printed figure: standard deviation of its logarithm.
SCATTER = 0.03
SPREAD = 0.15  # of a constant from one system to the next: standard deviation of its logarithm
_SPREAD_FROM_ZERO = 0.1  # the same as a share of the bounds, where these begin at 0
# Farther off than so many times the scatter, a value counts by its distance, not its square: one slip does not rule.
_FAR = 3.0
# A constant whose own spread changes no prediction by a tenth of the scatter is not informed.
_LEAST_EFFECT = 0.1 * SCATTER
_LEAST_MOVE = 0.01  # of the spread: less is the rounding of the search
_STEP = 1e-3  # of the spread, for slopes


class Moved(NamedTuple):
    """A constant before and after; ``share`` of its certainty comes from the rows, the rest from the package.

    ``at_bound``: the rows ask for more than is plausible; look for what the model does not know of.
    """

    before: float
    after: float
    share: float
    at_bound: bool


@dataclass(frozen=True)
class Calibration:
    """Constants of a family after a user's own measurements, and what these changed.

    Taught in chapter 00.

    Attributes
    ----------
    family : str
        Which constants.
    constants : mapping
        All of the family, to hand to the models as ``constants=``.
    moved : mapping
        The constants that the rows changed, by name.
    error_before, error_after : 1
        Median absolute error on the rows used, without and with them; the fit minimises squares, so where most rows
        were met and a few were not, the median may rise a little.
    values : 1
        Measured values used; a row may state several.
    rows : int
        Indices of the rows used.
    uncovered : mapping
        Index of each other row, and why it was not used.
    """

    family: str
    constants: Mapping[str, float]
    moved: Mapping[str, Moved]
    error_before: float
    error_after: float
    values: int
    rows: Sequence[int]
    uncovered: Mapping[int, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and text, ready for JSON."""
        return {
            "family": self.family, "rows_used": list(self.rows), "values": self.values,
            "median_abs_error_before": self.error_before, "median_abs_error_after": self.error_after,
            "moved": {name: m._asdict() for name, m in self.moved.items()}, "constants": dict(self.constants),
            "rows_not_used": [{"row": i, "reason": why} for i, why in sorted(self.uncovered.items())],
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"{self.family}: {self.values} values of {len(self.rows)} rows used, "
            f"median absolute error {self.error_before:.1%} before, {self.error_after:.1%} after"
        ]
        if self.moved:
            width = max(len(name) for name in self.moved)
            lines.append(f"  {'constant':{width}}  {'before':>10}  {'after':>10}  known from these rows")
        else:
            lines.append("  no constant moved: the package's values already fit")
        for name, m in self.moved.items():
            lines.append(
                f"  {name:{width}}  {m.before:10.4g}  {m.after:10.4g}  {m.share:5.0%}{'  at its bound' if m.at_bound else ''}"
            )
        lines += [f"  not used: {n} rows: {why}" for why, n in Counter(self.uncovered.values()).most_common()]
        return "\n".join(lines)


def calibrate(rows: Sequence[Mapping[str, Any]], table: str | None = None, strength: float = 1.0) -> Calibration:
    """Fit a family's constants to one's own measurements, each held to the package's value.

    Parameters
    ----------
    rows : sequence of mappings
        Column to cell, as ``csv.DictReader`` or ``read_nccl_tests`` gives them; numbers may stand as numbers.
    table : str, optional
        Whose columns these are, of ``own.FAMILY_OF``; told by the columns if not given.
    strength : float
        Weight of the package's values against the rows, above 0: 4 trusts the package as if each constant were known
        twice as well, 0.25 half as well.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        For a table without fitted constants, no usable row, rows that inform no constant, or a ``strength`` not above 0.

    Notes
    -----
    Fails where a machine differs from the model in kind, not in degree: then constants are bent to hide it, and an
    error that stays large, or a constant at the edge of its bounds, is the sign. In the family "training" only
    constants of the software stack that the rows used move, under that stack's name; other stacks' predictions stay.
    Taught in chapter 07.
    """
    require_positive(strength=strength)
    rows = [{k: "" if v is None else str(v) for k, v in row.items() if isinstance(k, str)} for row in rows]
    table = _table(rows, table)
    family = FAMILY_OF[table]
    comparison, free = _read(table, rows)
    base = dict(catalog.constants(family))
    before = np.asarray(comparison.predict(base), dtype=float)
    low, high = np.array([free[name] for name in free], dtype=float).reshape(-1, 2).T
    x0 = np.array([base[name if name in base else name.partition(" ")[0]] for name in free])
    found = _fit(comparison, base, list(free), x0, low, high, strength)
    moved = {}
    for name, old, new, share in zip(free, x0.tolist(), *(part.tolist() for part in found), strict=True):
        if new != old:
            edge = min(abs(new - bound) for bound in free[name]) < 1e-3 * (free[name][1] - free[name][0])
            moved[name] = Moved(old, new, share, edge)
    constants = base | {name: m.after for name, m in moved.items()}
    after = np.asarray(comparison.predict(constants), dtype=float)
    return Calibration(
        family, MappingProxyType(constants), MappingProxyType(moved), _median(before, comparison), _median(after, comparison),
        len(before), list(dict.fromkeys(int(i) for i in comparison.rows)), dict(comparison.uncovered),
    )  # fmt: skip


def _median(predicted: np.ndarray, comparison: Comparison) -> float:
    return float(np.median(np.abs(predicted / comparison.measured - 1)))


def _table(rows: Sequence[Row], table: str | None) -> str:
    from dcserver.validation import detect

    if not rows:
        raise ValueError("rows: there are none, so nothing to calibrate on")
    table = detect({column for row in rows for column in row}) if table is None else table
    if table not in FAMILY_OF:
        raise ValueError(f"table {table!r} has no constants to calibrate; those with are {', '.join(FAMILY_OF)}")
    return table


def _read(table: str, rows: Sequence[Row]) -> tuple[Comparison, dict[str, tuple[float, float]]]:
    """What the rows measured, and the constants that may move with their bounds."""
    from dcserver.validation import compare

    family = FAMILY_OF[table]
    known = {r["name"]: (r["fitted"] == "1", (float(r["low"]), float(r["high"]))) for r in rows_of("constants", family)}
    if family != "training":
        comparison, free = compare(table, rows), {name: bounds for name, (fitted, bounds) in known.items() if fitted}
    else:
        comparison, stacks = _steps(rows)
        free = _of_stacks(known, stacks)
    if not len(comparison.rows):
        why = "; ".join(f"{n} rows: {reason}" for reason, n in Counter(comparison.uncovered.values()).most_common(3))
        raise ValueError(f"none of the {len(rows)} rows can be used for table {table} ({why})")
    return comparison, free


def _of_stacks(
    known: Mapping[str, tuple[bool, tuple[float, float]]], stacks: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Fields of the named stacks that measurements may move, each under the stack's own name."""
    from dcserver.training.stacks import FIELDS

    free = {}
    for stack in stacks:
        for name in FIELDS:
            own = f"{name} {stack}"
            fitted, bounds = known.get(own, known.get(name, (False, (0.0, 0.0))))
            if fitted:
                free[own] = bounds
    return free


def _steps(rows: Sequence[Row]) -> tuple[Comparison, list[str]]:
    """Times of whole steps and of single layers, and the stacks that ran them."""
    from dcserver.validation import training
    from dcserver.validation.training_runs import run_of

    found = training.times(rows)
    kinds = [str(f).partition(":")[2] for f in found.families or []]
    reasons = {
        "whole run": "an average of a whole run holds restarts and evaluation: state the time of a step",
        "layout not stated": "the row does not state how the model was laid out over the accelerators",
    }
    uncovered = dict(found.uncovered) | {i: reasons[k] for i, k in zip(found.rows, kinds, strict=True) if k in reasons}
    found = replace(_kept(found, np.array([k not in reasons for k in kinds], dtype=bool)), uncovered=uncovered)
    kinds = [k for k in kinds if k not in reasons]
    stacks = [
        "Megatron 2022" if k == "one layer" else run_of(rows[i]).stack for i, k in zip(found.rows, kinds, strict=True)
    ]
    return found, list(dict.fromkeys(stacks))


def _kept(c: Comparison, mask: np.ndarray) -> Comparison:
    """The chosen values of a comparison."""
    predict, index = c.predict, np.flatnonzero(mask).tolist()
    return Comparison(
        [c.rows[i] for i in index], [c.quantities[i] for i in index], [c.groups[i] for i in index], c.measured[index],
        lambda constants: np.asarray(predict(constants), dtype=float)[index], c.uncovered,
        [c.families[i] for i in index] if c.families else None,
    )  # fmt: skip


def _fit(
    comparison: Comparison, base: Mapping[str, float], names: Sequence[str], x0: np.ndarray,
    low: np.ndarray, high: np.ndarray, strength: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Value of each constant, and the share of its certainty that comes from the rows.

    The search runs in units of spreads from the package's values. As in the package's own fit, values of one group weigh
    with the square root of their number: they share the model's error, and are no independent witnesses.
    """
    from scipy.optimize import least_squares

    log = low > 0

    def encode(x: np.ndarray) -> np.ndarray:
        return np.where(log, np.log(np.where(log, x, 1.0)), x)

    width = encode(high) - encode(low)
    spread = np.where(log, np.minimum(width / 4, SPREAD), _SPREAD_FROM_ZERO * width)
    z_low, z_high = (encode(low) - encode(x0)) / spread, (encode(high) - encode(x0)) / spread
    sizes = Counter(comparison.groups)
    weights = np.array([sizes[g] ** -0.25 for g in comparison.groups]) / SCATTER

    def decode(z: np.ndarray) -> np.ndarray:
        moved = encode(x0) + z * spread
        return np.where(z == 0, x0, np.clip(np.where(log, np.exp(np.where(log, moved, 0.0)), moved), low, high))

    def error(z: np.ndarray) -> np.ndarray:
        constants = dict(base) | dict(zip(names, decode(z).tolist(), strict=True))
        return np.log(np.asarray(comparison.predict(constants), dtype=float) / comparison.measured)

    zero = np.zeros(len(names))
    start = error(zero)
    if not np.isfinite(start).all():
        raise ValueError("the model has no finite answer for some of the rows")
    informed = np.flatnonzero([_effect(error, start, k, z_low, z_high) > _LEAST_EFFECT for k in range(len(names))])
    if not len(informed):
        raise ValueError(
            "the rows inform no constant of the model: none of them changes what it predicts for these rows"
        )

    def full(z: np.ndarray) -> np.ndarray:
        out = zero.copy()
        out[informed] = z
        return out

    hold = np.sqrt(strength)

    def residuals(z: np.ndarray) -> np.ndarray:
        return np.concatenate([error(full(z)) * weights, hold * z])

    def slopes(z: np.ndarray) -> np.ndarray:
        at, columns = residuals(z), []
        for k in range(len(z)):
            step = _STEP if z[k] + _STEP <= z_high[informed[k]] else -_STEP
            columns.append((residuals(z + step * (np.arange(len(z)) == k)) - at) / step)
        return np.stack(columns, axis=1)

    inside_low, inside_high = z_low[informed], z_high[informed]
    first = np.clip(np.zeros(len(informed)), inside_low + 1e-6, inside_high - 1e-6)
    solution = least_squares(
        residuals, first, jac=slopes, bounds=(inside_low, inside_high), loss="soft_l1", f_scale=_FAR
    )
    slope = slopes(solution.x)[: len(start)]
    uncertainty = np.linalg.inv(slope.T @ slope + strength * np.eye(len(informed)))
    share = zero.copy()
    share[informed] = np.clip(1 - strength * np.diag(uncertainty), 0, 1)
    z = full(solution.x)
    return decode(np.where(np.abs(z) < _LEAST_MOVE, 0.0, z)), share


def _effect(error: Callable[[np.ndarray], np.ndarray], start: np.ndarray, k: int, low: np.ndarray,
            high: np.ndarray) -> float:  # fmt: skip
    """The most that one constant, a spread up or down within its bounds, changes any prediction."""
    shift = np.arange(len(low)) == k
    return max(float(np.max(np.abs(error(np.clip(side, low, high) * shift) - start))) for side in (-1.0, 1.0))
