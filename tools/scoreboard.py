"""Score every table of measurements and write the result into README.md, between its two markers.

Usage: python tools/scoreboard.py [--check]   (--check: only say whether the README is up to date)
"""

import sys
from pathlib import Path

from dcserver import catalog, validation
from dcserver.catalog.tables import rows_of

README = Path(__file__).resolve().parents[1] / "README.md"
START, END = "<!-- scoreboard: written by `make scoreboard` -->", "<!-- end of scoreboard -->"
TITLES = {
    "gemm": "Matrix products and memory streams",
    "ops_llmcompass": "Operators of a transformer layer",
    "roofline_power": "Roofline, clock and watts",
    "collectives": "Collectives and copies",
    "memory": "Memory, accounting in papers",
    "training_megatron_sc21": "Training steps (Megatron 2021)",
    "training_bloom_sweep": "Training steps and memory (BLOOM)",
    "training_korthikanti22": "Training steps and memory (Megatron 2022)",
    "training_other": "Training steps (MPT, Megatron, NeMo, ...)",
    "dvfs_zeus": "Power caps: time and energy",
    "mlperf_power": "Power of whole systems (MLPerf)",
    "edge": "Round trips, networks on small cards",
    "energy": "Servers, cooling, power caps",
}


def left_out(table: str) -> str:
    """Median error over groups left out of the fit, or a dash where nothing was fitted."""
    try:
        row = rows_of("error_bars", table)[0]
    except ValueError:
        return "–"
    return f"{float(row['median_abs_error']):.1%}" if "left out" in row["residuals"] else "–"


def scoreboard() -> str:
    """The table in markdown. Percentages are of |predicted / measured - 1|."""
    lines = [
        "| what | table | rows | scored | left-out median error | median error | 90th percentile | bias | inside the bar | rule of thumb, median error |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for table in validation.TABLES:
        scored = validation.score(table)
        d, rule = scored.as_dict(), validation.rule_of_thumb(scored, catalog.measurements(table))
        cells = [f"{d[k]:{f}}" if d[k] is not None else "–" for k, f in
                 (("median_abs_error", ".1%"), ("p90_abs_error", ".1%"), ("bias", "+.1%"), ("coverage", ".0%"))]  # fmt: skip
        lines.append(
            f"| {TITLES.get(table, table)} | `{table}` | {d['rows_total']:,} | {d['rows_scored']:,} | {left_out(table)} | "
            + " | ".join([*cells, f"{rule['median_abs_error']:.1%}" if rule else "–"]) + " |"
        )  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    text = README.read_text(encoding="utf-8")
    if START not in text or END not in text:
        print("README.md has no scoreboard markers", file=sys.stderr)
        return 2
    before, rest = text.split(START, 1)
    after = rest.split(END, 1)[1]
    fresh = f"{before}{START}\n{scoreboard()}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        print("up to date" if fresh == text else "README.md is out of date: make scoreboard")
        return int(fresh != text)
    README.write_text(fresh, encoding="utf-8")
    print(scoreboard())
    return 0


if __name__ == "__main__":
    sys.exit(main())
