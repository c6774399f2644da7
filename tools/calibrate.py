"""Fit each family's constants on the package's measurements and write constants, error bars and a report.

Usage: python tools/calibrate.py [--bars] [FAMILY ...] (without names: all). The report goes to standard output.
With --bars the constants stay as they are and only the error bars are drawn anew.
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dcserver import catalog, validation
from dcserver.catalog.tables import rows_of
from dcserver.validation import convnets, fitting, mlperf_power, reliability, training, training_memory

HERE = Path(catalog.__file__).parent
# Which tables fit which constants, jointly, in this order: what a later family builds on is fitted before it.
FAMILIES: dict[str, list[str]] = {
    "power": ["roofline_power", "dvfs_zeus"],
    "gemm": ["gemm"],
    "operators": ["ops_llmcompass"],
    "collectives": ["collectives"],
    "training_memory": ["training_bloom_sweep", "training_korthikanti22", "memory"],
    "training": ["training_megatron_sc21", "training_korthikanti22", "training_bloom_sweep", "training_other"],
    "convnets": ["training_other"],
    "server_power": ["mlperf_power"],
    "inference": ["inference"],
}
# Tables that no constant is fitted on: their plain residuals are the error bar.
UNFITTED = ["energy", "samples_per_joule"]
LEAST_BAR = 0.01


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def half_width(ratios: np.ndarray, groups: Sequence[str]) -> float:
    """How far from 1, as a logarithm, four in five values of a group not seen yet should lie, to either side.

    Rows of one device or source miss together, and nobody knows to which side the next will. With G groups the quantile
    that holds a further one four times in five is 0.8 (G + 1) / G (split conformal prediction, groups exchangeable);
    below four groups that is all of them.
    """
    several = len(set(groups))
    return float(np.quantile(np.abs(np.log(ratios)), min(1.0, 0.8 * (several + 1) / several)))


def error_bars(
    table: str, comparison: validation.Comparison, ratios: np.ndarray, how: str, alone: bool = False
) -> None:
    """Bars on measured / predicted, for the whole table and for each family that it names.

    ``alone``: each value counts as a group, for no constant was fitted on its neighbours.

    Families of the table that another calibration wrote stay as they are.
    """
    families = np.array(list(comparison.families or [table] * len(ratios)), dtype=object)
    groups = np.arange(len(ratios)) if alone else np.array(list(comparison.groups), dtype=object)
    apart = {f"{table}:{what}" for what in ("memory", "convnets", "samples_per_joule")}
    own = set(families) <= apart and len(families)  # the rest of the table comes with another calibration
    names = list(dict.fromkeys([*([] if own else [table]), *families]))
    try:
        rows = [r for r in rows_of("error_bars", table) if r["family"] not in names and r["family"].startswith(table)]
    except ValueError:
        rows = []
    before = [r for r in rows if r["family"] == table]
    kept = [r for r in rows if r["family"] != table]
    rows = before
    for family in names:
        mine = (families == family) | (family == table)
        r = ratios[mine]
        errors = np.abs(1 / r - 1)
        far = half_width(r, list(groups[mine]))
        low, high = np.exp(-far), np.exp(far)
        # No bar is narrower than what a second measurement, or the rounding of a printed figure, would show.
        low, high = min(low, 1 - LEAST_BAR), max(high, 1 + LEAST_BAR)
        rows.append({
            "family": family, "values": len(r), "low": f"{low:.4f}", "median": f"{np.median(r):.4f}",
            "high": f"{high:.4f}", "median_abs_error": f"{np.median(errors):.4f}",
            "p90_abs_error": f"{np.quantile(errors, 0.9):.4f}", "residuals": how,
        })  # fmt: skip
        print(f"  {family}: left-out median error {np.median(errors):.1%}, 90th percentile "
              f"{np.quantile(errors, 0.9):.1%}, bar {rows[-1]['low']} to {rows[-1]['high']}")  # fmt: skip
    write(HERE / "error_bars" / f"{table}.csv", rows + kept)


def comparisons_of(family: str) -> list[validation.Comparison]:
    """What a family is fitted on; tables that state memory and time besides each other serve two families."""
    tables = FAMILIES[family]
    if family == "training_memory":
        return [
            replace(c := training_memory.compare(catalog.measurements(t)), families=[f"{t}:memory"] * len(c.rows))
            if t != "memory" else validation.compare(t, catalog.measurements(t))
            for t in tables
        ]  # fmt: skip
    if family == "convnets":
        return [
            replace(c := convnets.compare(catalog.measurements(t)), families=[f"{t}:convnets"] * len(c.rows))
            for t in tables
        ]
    if family == "training":
        return [training.times(training.informative(catalog.measurements(t))) for t in tables]
    if family == "server_power":  # of these rows the watts; what they buy follows from the family "inference"
        return [mlperf_power.watts(catalog.measurements(t)) for t in tables]
    return [validation.compare(t, catalog.measurements(t)) for t in tables]


def middle(rows: list[dict], constants: Mapping[str, float]) -> dict[str, float]:
    """The constants with the fitted ones in the middle of their bounds, which no measurement chose."""
    start = dict(constants)
    for row in rows:
        low, high = float(row["low"]), float(row["high"])
        if row["fitted"] == "1":
            start[row["name"]] = float(np.sqrt(low * high)) if low > 0 else (low + high) / 2
    return start


def calibrate(family: str, bars_only: bool = False) -> None:
    """Fit one family on its tables (unless only its bars are wanted), then refit without each group for the error bars."""
    tables = FAMILIES[family]
    comparisons = comparisons_of(family)
    prior = [training.stack_prior()] if family == "training" else []
    rows = rows_of("constants", family)
    constants = dict(catalog.constants(family)) if bars_only else fitting.fit(family, comparisons + prior)
    extra = []
    if family == "training":  # averages of whole runs say one thing more: how much of their hours were steps
        extra = [training.times(training.informative(catalog.measurements(t), False)) for t in tables]
        if not bars_only:
            constants["goodput"] = goodput(extra, constants)
            next(r for r in rows if r["name"] == "goodput")["value"] = f"{constants['goodput']:.4g}"
    print(f"{family} (on {', '.join(tables)})")
    for row in [] if bars_only else rows:
        if row["fitted"] == "1":
            value, low, high = constants[row["name"]], float(row["low"]), float(row["high"])
            edge = (
                "  AT ITS BOUND"
                if min(abs(value / low - 1) if low else abs(value), abs(value / high - 1)) < 1e-3
                else ""
            )
            print(f"  {row['name']} = {value:.4g} {row['unit']} (was {float(row['value']):.4g}, "
                  f"allowed {low:g} to {high:g}){edge}")  # fmt: skip
            row["value"] = f"{value:.6g}"
    if not bars_only:
        write(HERE / "constants" / f"{family}.csv", rows)
    # A constant that only the group left out informs must not keep the value which that group gave it.
    start, steps = (training.unfitted(), 20) if family == "training" else (middle(rows, constants), None)
    if family == "inference":
        steps = 25
    ratios = fitting.left_out_ratios(family, comparisons, start, prior, steps)
    if family == "training":  # rows that no constant was fitted on, whole runs for instance, are predicted with all
        predicted = [c.predict(constants) if len(c.rows) else np.zeros(0) for c in extra]
        ratios = [np.concatenate([r, e.measured / p]) for r, e, p in zip(ratios, extra, predicted, strict=True)]
        comparisons = [replace(c, families=[*c.families, *e.families], groups=[*c.groups, *e.groups])
                       for c, e in zip(comparisons, extra, strict=True)]  # fmt: skip
    for table, comparison, ratio in zip(tables, comparisons, ratios, strict=True):
        error_bars(table, comparison, ratio, "group left out of the fit")


def residuals(table: str) -> None:
    """Error bars of a table that took no part in any fit."""
    if table == "samples_per_joule":
        table, comparison = "mlperf_power", mlperf_power.samples_per_joule(catalog.measurements("mlperf_power"))
    else:
        comparison = validation.compare(table, catalog.measurements(table))
    print(f"{table} (no constant is fitted on it)")
    error_bars(
        table, comparison, comparison.measured / comparison.predict(None), "no row took part in a fit", alone=True
    )


def goodput(whole_runs: Sequence[validation.Comparison], constants: Mapping[str, float]) -> float:
    """Share of whole runs' hours that their steps would take: the median."""
    steps = np.concatenate([c.predict(dict(constants) | {"goodput": 1.0}) for c in whole_runs if len(c.rows)])
    whole = np.array([f.endswith("whole run") for c in whole_runs for f in c.families or []])
    spent = np.concatenate([c.measured for c in whole_runs])
    return float(np.median((steps / spent)[whole]))


def rates() -> None:
    """Failure rates of one job: counts over exposure, in one step; what they did not see makes the error bars."""
    table = catalog.measurements("reliability")
    rows, found = rows_of("constants", "reliability"), reliability.fit(table)
    print("reliability (on reliability)")
    for row in rows:
        if row["fitted"] == "1":
            value, low, high = found[row["name"]], float(row["low"]), float(row["high"])
            edge = "" if low < value < high else "  AT ITS BOUND"
            print(f"  {row['name']} = {value:.4g} {row['unit']} (was {float(row['value']):.4g}, "
                  f"allowed {low:g} to {high:g}){edge}")  # fmt: skip
            row["value"] = f"{value:.6g}"
    write(HERE / "constants" / "reliability.csv", rows)
    catalog.constants.cache_clear()
    comparison, ratios = validation.compare("reliability", table), reliability.left_out(table)
    names = [comparison.families[k] for k in ratios]
    error_bars("reliability", replace(comparison, families=names), np.array(list(ratios.values())),
               "cause left out of its class, or no part in the fit", alone=True)  # fmt: skip


RATES = "reliability"

if __name__ == "__main__":
    bars_only = "--bars" in sys.argv[1:]
    names = [n for n in sys.argv[1:] if n != "--bars"] or [*FAMILIES, *UNFITTED, RATES]
    for name in names:
        if name == RATES:
            rates()
            continue
        if name in UNFITTED:
            residuals(name)
            continue
        if name not in FAMILIES:
            sys.exit(f"family {name!r} is not one of {', '.join([*FAMILIES, *UNFITTED, RATES])}")
        calibrate(name, bars_only)
        catalog.constants.cache_clear()
