"""The answers in the teacher's guide, worked out by the solutions that the notebooks fold away.

Usage
    python tools/guide_answers.py            write every chapter's table into notebooks/teachers_guide.md
    python tools/guide_answers.py --check    only say what is out of date (exit status 1 if anything is)

Each table stands between two comments, ``<!-- answers 06 -->`` and ``<!-- end of answers 06 -->``. The answers to the
predictions are those that the saved notebook shows; the answers to the exercises are what each solution gives.
"""

import argparse
import contextlib
import inspect
import io
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import lint_notebooks as lint  # noqa: E402

GUIDE = ROOT / "notebooks" / "teachers_guide.md"
BLOCK = re.compile(r"(<!-- answers (\d\d) -->\n)(.*?)(<!-- end of answers \2 -->)", re.S)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
TOLERANCE = 0.02  # another machine may round the third digit the other way
HEAD = "\n| | name | answer | the check wants |\n|---|---|---|---|\n"
NOT_YET = "\nThis chapter is not there yet.\n\n"


def chapters() -> dict[str, Path]:
    """The chapters that exist, by number."""
    return {p.name[:2]: p for p in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


def given_to_check(setup: str, solved: str) -> Any:
    """What a solved cell hands to its check."""
    from dcserver.lab import lesson

    given: list[Any] = []
    check = lesson.check
    lesson.check = lambda name, value, *others, **more: given.append(value)  # type: ignore[assignment]
    try:
        namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *shown: None}
        with contextlib.redirect_stdout(io.StringIO()):
            lint.run_cell(setup, namespace)
            lint.run_cell(solved, namespace)
    finally:
        lesson.check = check
    return given[-1]


def plain(value: Any) -> Any:
    """A design as a learner would write it: NumPy's numbers as Python's, floats with four digits."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return ordered(value)
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e9 else float(f"{value:.4g}")
    return value


def in_words(exercise: Any, given: Any) -> tuple[str, str]:
    """(what the solution gives, what the check wants)."""
    from dcserver.lab.exercises import Design, Function
    from dcserver.lab.quantities import show

    if isinstance(exercise, Function):
        point = exercise.points[0]
        names = list(inspect.signature(given).parameters)
        named = dict(point) if isinstance(point, Mapping) else dict(zip(names, point, strict=False))
        arguments = ", ".join(f"{k} = {v if isinstance(v, str | bool) else format(v, '.4g')}" for k, v in named.items())
        result = show(
            given(**point) if isinstance(point, Mapping) else given(*point),
            "" if exercise.unit == "1" else exercise.unit,
        )
        arrays = ", and arrays" if exercise.broadcast else ""
        return f"{result} for {arguments}", f"the same at {len(exercise.points)} points{arrays}"
    if isinstance(exercise, Design):
        reached = exercise.measure(given)
        got = {what: show(float(reached[what]), goal.unit) for what, goal in exercise.goals.items()}
        goals = (f"{got[w] if got[w].endswith(w) else f'{w} {got[w]}'} ({goal})" for w, goal in exercise.goals.items())
        return f"for example `{plain(given)}`", "; ".join(goals)
    several = list(given) if isinstance(given, list | tuple) else [given]
    wanted = f"within {100 * exercise.tolerance:g} %"
    if any(isinstance(v, set | frozenset) for v in several):
        wanted = "this set"
    elif any(isinstance(v, str | bool | Mapping) for v in several):
        wanted = "these words"
    return "; ".join(one_in_words(v, exercise.unit) for v in several), wanted


def one_in_words(value: Any, unit: str) -> str:
    """One part of an answer: a set sorted, a dictionary by its keys, words as they are, a number with its unit.

    >>> one_in_words({"g", "a"}, ""), one_in_words({"limit": "memory", "time": 0.002}, "s")
    ('a, g', 'limit: memory, time: 2 ms')
    """
    from dcserver.lab.quantities import show

    if isinstance(value, set | frozenset):
        return ", ".join(one_in_words(v, unit) for v in ordered(value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {one_in_words(v, unit)}" for k, v in value.items())
    return str(value) if isinstance(value, str | bool) else show(value, unit)


def ordered(values: Any) -> list[Any]:
    """Members of a set in the same order on every machine: numbers by size, all else by their letters."""
    numbers = sorted(plain(v) for v in values if not isinstance(v, str))
    return [*numbers, *sorted(v for v in values if isinstance(v, str))]


def predictions(chapter: lint.Chapter) -> Iterator[tuple[int, str, str]]:
    """(place, name, answer) of each prediction, from the saved notebook."""
    for name, cell in chapter.calls("explain"):
        texts = ["".join(o["data"]["text/plain"]) for o in cell.raw["outputs"] if "text/plain" in o.get("data", {})]
        said = " ".join(texts[0].split()) if texts else ""
        found = re.match(r"Explain\. [^:]+: (.*?)\. You have made no prediction", said)
        answer = found[1] if found else "see the notebook"
        # "53.2 (C: about 50 times)" reads better turned round
        yield cell.number, name, re.sub(r"^(.*?) \(([A-H]: .*)\)$", r"\2 (\1)", answer)


def table(path: Path) -> str:
    """A chapter's answers as a table in markdown, in the order of the chapter."""
    from dcserver.lab import exercises

    chapter = lint.Chapter(path)
    known = exercises.known(chapter.number)
    rows = [(place, "prediction", name, answer, "") for place, name, answer in predictions(chapter)]
    for exercise in chapter.exercises:
        solved = lint.put_in(exercise.cell.source, exercise.solution or "")
        answer, wanted = in_words(known[exercise.name], given_to_check(chapter.setup.source, solved))
        rows.append((exercise.cell.number, "exercise", exercise.name, answer, wanted))
    lines = (
        " | ".join(re.sub(r"([|$])", r"\\\1", text) for text in row[1:]) for row in sorted(rows)
    )  # no column, no formula
    return HEAD + "".join(f"| {line} |\n".replace("  |", " |") for line in lines) + "\n"


def alike(one: str, other: str) -> bool:
    """Whether two tables say the same, up to the last digit of a number."""
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    numbers = ([float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (one, other))
    return all(math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12) for a, b in zip(*numbers, strict=True))


def stale(text: str, only: str = "") -> dict[str, str]:
    """Chapters (or the one asked for) whose table is out of date, each with the table as it should be."""
    there, found = chapters(), {n: old for _, n, old, _ in BLOCK.findall(text) if not only or n == only}
    wanted = {n: table(there[n]) if n in there else NOT_YET for n in found}
    return {n: wanted[n] for n, old in found.items() if not alike(old, wanted[n])}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what is out of date")
    options = parser.parse_args()
    os.chdir(ROOT / "notebooks")  # where a notebook's kernel starts
    text = GUIDE.read_text(encoding="utf-8")
    old = stale(text)
    if not options.check:
        GUIDE.write_text(BLOCK.sub(lambda m: m[1] + old.get(m[2], m[3]) + m[4], text), encoding="utf-8")
    print(f"{'out of date' if options.check else 'written'}: {', '.join(sorted(old)) or 'none'}")
    return int(options.check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
