"""The panels and long experiments of a chapter, brought to life without a page: each cell that makes one runs after the set-up cell alone."""

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import lint_notebooks as lint  # noqa: E402


def chapters() -> list[Path]:
    """The notebooks of the course, in order."""
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def panels(path: Path) -> dict[str, Any]:
    """Every panel that a chapter makes, by the name of its variable (or its cell's number if it has none)."""
    from dcserver.lab.panels import Panel

    return _made(path, Panel)


def runs(path: Path) -> dict[str, Any]:
    """Every long experiment that a chapter offers, the same way."""
    from dcserver.lab.runs import Run

    return _made(path, Run)


def after_all(path: Path) -> dict[str, Any]:
    """The panels as they stand when every cell has run in one session, as "run all" leaves them."""
    from dcserver.lab.panels import Panel

    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *shown: None}
    with contextlib.chdir(path.parent), contextlib.redirect_stdout(io.StringIO()):
        for cell in lint.Chapter(path).code:
            lint.run_cell(cell.source, namespace)
    return {name: thing for name, thing in namespace.items() if isinstance(thing, Panel)}


def _made(path: Path, kind: type) -> dict[str, Any]:
    chapter = lint.Chapter(path)
    found: dict[str, Any] = {}
    for cell in chapter.code[1:]:
        if f"lab.{kind.__name__}(" not in cell.source:
            continue
        namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *shown: None}
        with contextlib.chdir(path.parent), contextlib.redirect_stdout(io.StringIO()):
            lint.run_cell(chapter.setup.source, namespace)
            value = lint.run_cell(cell.source, namespace)
        made = {name: thing for name, thing in namespace.items() if isinstance(thing, kind)}
        if isinstance(value, kind) and value not in made.values():
            made[f"cell {cell.number}"] = value
        found |= made
    return found
