"""Homework end to end: a chapter is released, one learner solves it, one errs, one forgets; each gets the right points."""

import csv
import importlib.util
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import assignment  # noqa: E402
import lint_notebooks as lint  # noqa: E402

NUMBER = "04"
CHAPTER = lint.Chapter(assignment.chapter_path(NUMBER))


def test_a_release_keeps_the_questions_and_not_the_solutions() -> None:
    text = nbformat.writes(assignment.graded(CHAPTER.path))
    assert "# solution:" not in text
    assert "<summary>Hint</summary>" in text
    for exercise in CHAPTER.exercises:
        assert text.count(f'lesson.require(\\"{exercise.name}\\")') == 1


def test_an_unknown_chapter_is_named() -> None:
    with pytest.raises(SystemExit, match="no chapter '99'; there are 00"):
        assignment.chapter_path("99")
    with pytest.raises(SystemExit, match="'six'"):
        assignment.chapter_path("six")


@pytest.mark.skipif(importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed")
def test_right_wrong_and_missing_answers_get_their_points(tmp_path: Path, capsys: Any) -> None:
    given = assignment.release(NUMBER, tmp_path)
    (released,) = given.glob("*.ipynb")
    exercises = {e.name: e for e in CHAPTER.exercises}

    def hand_in(learner: str, solved: set[str]) -> None:
        notebook = nbformat.read(released, as_version=4)
        for cell in notebook.cells:
            for name in assignment.CHECK.findall(cell.source) if cell.cell_type == "code" else []:
                if name in solved:
                    cell.source = lint.put_in(cell.source, exercises[name].solution or "")
            if cell.metadata.get("nbgrader", {}).get("grade") and learner == "cheat":
                cell.source = "pass"  # nbgrader restores what is locked
        folder = tmp_path / "submitted" / learner / NUMBER
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / released.name)

    first = next(iter(exercises))
    hand_in("ada", set(exercises))
    hand_in("bob", {first})
    hand_in("cheat", set())
    assignment.grade(NUMBER, tmp_path)
    rows = {r["learner"]: r for r in csv.DictReader((tmp_path / "results.csv").open(encoding="utf-8"))}
    most = str(len(exercises))
    assert (rows["ada"]["points"], rows["ada"]["of"], rows["ada"]["open"]) == (most, most, "")
    assert (rows["bob"]["points"], rows["bob"]["solved"]) == ("1", first)
    assert rows["cheat"]["points"] == "0"
    assert list((tmp_path / "feedback" / "bob" / NUMBER).glob("*.html"))
    assert f"chapter {NUMBER}: 1 of {most}" in capsys.readouterr().out
