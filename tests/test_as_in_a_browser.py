"""The course in a Python that has what a browser's Python has, and no more: every chapter runs, and says what it cannot do."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "site"))
import build  # noqa: E402

CHAPTERS = build.chapters()


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    """Every chapter as the site has it, run once in such a Python."""
    cells = {}
    for path in CHAPTERS:
        notebook = build.for_browser(build.nbformat.read(path, as_version=4))
        cells[path.stem] = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    carried = ["dcserver", *(name.replace("_", "-") for name in build.PURE)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "as_in_a_browser.py")],
        input=json.dumps({"chapters": cells, "carried": carried}), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_it_refuses_what_a_browser_refuses(outcome: dict[str, Any]) -> None:
    assert outcome["refused"] == {
        "a thread": "RuntimeError", "a process": "OSError", "a fork": "OSError", "a barrier": "ModuleNotFoundError",
        "a port": "OSError", "SciPy": "ModuleNotFoundError",
    }  # fmt: skip


@pytest.mark.parametrize("name", [path.stem for path in CHAPTERS])
def test_a_chapter_runs_moves_and_stops(name: str, outcome: dict[str, Any]) -> None:
    assert outcome["faults"][name] == []


def test_measurements_say_in_words_what_a_browser_cannot_do(outcome: dict[str, Any]) -> None:
    notes = [note for said in outcome["measured"].values() for note in said]
    for what in ("no disk", "no second process", "no GPU", "no drive", "one thread", "no ring"):
        assert any(what in note for note in notes), what
    assert not [note for note in notes if re.search(r"Error|Exception|stopped it", note)]
