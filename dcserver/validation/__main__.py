"""``python -m dcserver.validation [FILE.csv ...] [--table NAME] [--calibrate] [--json] [--rows]``: score measurements."""

import argparse
import csv
import json
import sys
from pathlib import Path

from dcserver import catalog, validation


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or []), list(reader)


def main(arguments: list[str] | None = None) -> int:
    """Score the files, or without any the package's own tables; 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m dcserver.validation", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="CSV with the columns of a known table; none: all tables")
    parser.add_argument("--table", choices=list(validation.TABLES), help="which table the columns belong to")
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    parser.add_argument("--rows", action="store_true", help="with each row's measured and predicted value")
    parser.add_argument("--calibrate", action="store_true", help="fit the models' constants to the files instead")
    options = parser.parse_args(arguments)
    if options.calibrate:
        return _calibrate(options.files, options.table, options.json)
    scores, tables = [], []
    try:
        for path in options.files:
            columns, rows = _read(path)
            name = options.table or validation.detect(columns, path.stem)
            scores.append(validation.score_rows(name, rows))
            tables.append(rows)
        if not options.files:
            names = [options.table] if options.table else list(validation.TABLES)
            scores = [validation.score(name) for name in names]
            tables = [catalog.measurements(name) for name in names]
    except (OSError, ValueError, csv.Error, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    reports = [s.as_dict(rows=options.rows) for s in scores]
    for s, report, rows in zip(scores, reports, tables, strict=True):
        if rule := validation.rule_of_thumb(s, rows):
            report["rule_of_thumb"] = rule
    if options.json:
        print(json.dumps(reports[0] if len(reports) == 1 else reports, indent=1, allow_nan=False))
        return 0
    for s, report in zip(scores, reports, strict=True):
        print(s)
        if rule := report.get("rule_of_thumb"):
            print(f"  rule of thumb on {rule['values']} of these values: median absolute error "
                  f"{rule['median_abs_error']:.1%}, 90th percentile {rule['p90_abs_error']:.1%}")  # fmt: skip
        for r in report.get("rows", []):
            inside = "" if r["inside_error_bar"] else "  outside the error bar"
            print(f"    row {r['row']:4d}  {r['quantity']}: measured {r['measured']:.4g}, "
                  f"predicted {r['predicted']:.4g} ({r['error']:+.1%}){inside}")  # fmt: skip
        for r in report.get("rows_not_covered", []):
            print(f"    row {r['row']:4d}  not covered: {r['reason']}")
    return 0


def _calibrate(files: list[Path], table: str | None, as_json: bool) -> int:
    """Print each file's calibration; 2 on bad input."""
    try:
        if not files:
            raise ValueError("--calibrate needs a file of your own measurements")
        found = []
        for path in files:
            columns, rows = _read(path)
            found.append(validation.calibrate(rows, table or validation.detect(columns, path.stem)))
    except (OSError, ValueError, csv.Error, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    reports = [c.as_dict() for c in found]
    print(json.dumps(reports[0] if len(reports) == 1 else reports, indent=1, allow_nan=False) if as_json
          else "\n".join(map(str, found)))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
