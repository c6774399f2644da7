"""Score every table of measurements and write the result into README.md, between its markers; and the course in numbers.

Usage: python tools/scoreboard.py [--check]   (--check: only say whether the README is up to date)
"""

import json
import re
import sys
from pathlib import Path

from dcserver import catalog, validation
from dcserver.catalog.tables import rows_of

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
START, END = "<!-- scoreboard: written by `make scoreboard` -->", "<!-- end of scoreboard -->"
FACTS = "<!-- facts: written by `make scoreboard` -->", "<!-- end of facts -->"
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
    "mlperf_power": "Power and samples a joule of whole systems (MLPerf)",
    "inference": "Serving: tokens and samples a second, latency",
    "energy": "Servers, cooling, power caps",
    "reliability": "Interruptions of one job, in part its own counts",
}


def left_out(table: str) -> str:
    """Median error over groups left out of the fit, or a dash where nothing was fitted."""
    try:
        row = rows_of("error_bars", table)[0]
    except ValueError:
        return "–"
    return f"{float(row['median_abs_error']):.1%}" if "left out" in row["residuals"] else "–"


def facts(table: str) -> str:
    """The course in numbers, counted in its chapters and in the scoreboard's own rows."""
    chapters = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    code = [
        "".join(cell["source"])
        for path in chapters
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    counts = {name: sum(source.count(f"{name}(") for source in code) for name in ("lab.Panel", "lesson.check")}
    rows, scored = (
        sum(int(n.replace(",", "")) for n in column)
        for column in zip(*re.findall(r"^\|[^|]*\| `\w+` \| ([\d,]+) \| ([\d,]+) \|", table, re.M), strict=True)
    )
    return (
        f"**{len(chapters)}** chapters · **{counts['lab.Panel']}** experiments to move · **{counts['lesson.check']}** checked "
        f"exercises · **{scored:,}** of {rows:,} rows of published measurements scored · Python 3.11 to 3.13 · BSD-3-Clause, CC BY 4.0"
    )


def between(text: str, start: str, end: str, fresh: str) -> str:
    """The text with what stands between two markers replaced."""
    before, rest = text.split(start, 1)
    return f"{before}{start}\n{fresh}\n{end}{rest.split(end, 1)[1]}"


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
    if not all(marker in text for marker in (START, END, *FACTS)):
        print("README.md lacks a marker of scoreboard or facts", file=sys.stderr)
        return 2
    table = scoreboard()
    fresh = between(between(text, START, END, table), *FACTS, facts(table))
    if "--check" in sys.argv[1:]:
        print("up to date" if fresh == text else "README.md is out of date: make scoreboard")
        return int(fresh != text)
    README.write_text(fresh, encoding="utf-8")
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
