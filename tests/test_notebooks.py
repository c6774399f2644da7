"""Each chapter has the anatomy of a chapter, runs from any cell, and its solutions solve its exercises."""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import lint_notebooks as lint  # noqa: E402

from dcserver.lab import answers, exercises  # noqa: E402

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
MODULES = sorted((ROOT / "dcserver/lab/exercises").glob("chapter_*.py"))


@pytest.fixture(autouse=True)
def _a_new_session(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(ROOT / "notebooks")
    answers.forget()
    yield
    answers.forget()
    answers.chapter("")


def run(*sources: str) -> Any:
    """The last value of cells run one after the other in a fresh namespace, their printing swallowed."""
    from IPython.display import display

    namespace: dict[str, Any] = {"__name__": "__main__", "display": display}
    value = None
    with contextlib.redirect_stdout(io.StringIO()):
        for source in sources:
            value = lint.run_cell(source, namespace)
            repr(value)
    return value


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter_has_the_anatomy_of_a_chapter(path: Path) -> None:
    assert lint.lint(path) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_cell_runs_after_the_set_up_alone(path: Path) -> None:
    chapter = lint.Chapter(path)
    failed = []
    for cell in chapter.code[1:]:
        try:
            run(chapter.setup.source, cell.source)
        except Exception as trouble:
            failed.append(f"cell {cell.number}: {type(trouble).__name__}: {trouble}")
    assert failed == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_solutions_solve_and_stubs_do_not(path: Path) -> None:
    chapter = lint.Chapter(path)
    for exercise in chapter.exercises:
        untouched = run(chapter.setup.source, exercise.cell.source)
        assert untouched.status == "not attempted", f"{exercise.name}: {untouched}"
        assert exercise.solution is not None, f"{exercise.name} has no solution"
        solved = run(chapter.setup.source, lint.put_in(exercise.cell.source, exercise.solution))
        assert solved.right, f"{exercise.name}: {solved}"


@pytest.mark.parametrize("module", MODULES, ids=lambda p: p.stem)
def test_typical_wrong_answers_get_their_hint(module: Path) -> None:
    for name, exercise in exercises.known(module.stem.removeprefix("chapter_")).items():
        assert len(exercise.wrong) >= 2, f"{name}: name two typical wrong answers"
        for value, words in exercise.wrong:
            verdict = exercise.judge(name, value)
            assert verdict.status == "not yet", f"{name}: {value!r} counts as {verdict}"
            assert words in verdict.message, f"{name}: {value!r} gets: {verdict.message}"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_exercise_of_a_chapter_is_in_its_notebook(path: Path) -> None:
    chapter = lint.Chapter(path)
    assert {e.name for e in chapter.exercises} >= set(exercises.known(chapter.number))


# The linter itself, on a small notebook that is right, and then wrong in one way at a time.


def markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, hidden: bool = False) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "metadata": {"jupyter": {"source_hidden": True}} if hidden else {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


HEAD = """# 6. How do accelerators talk?

Eight GPUs finish in 180 ms.

At the end you can

- say which limit it is
- choose a ring
- size a network

Needs: chapter 02. 45 minutes. [Previous](02_cpu.ipynb) · [Contents](README.md) · [Next](10_watts.ipynb)
"""
SOLUTION = """<details><summary>Hint</summary>

Think.

</details>
<details><summary>Solution</summary>

```python
# solution: {name}
{code}
```

</details>"""


def small_chapter() -> list[dict[str, Any]]:
    cells = [markdown(HEAD), code("from dcserver.lab import lesson\n\nlesson.chapter(6)"), markdown("## Recall")]
    cells += [code("lesson.recall('before', [])", hidden=True)]
    for name in ("one", "two"):
        cells += [
            markdown(f"## {name}\n\n![A ring](ring.png)"),
            code(f"lesson.predict('{name}', 'Q?', unit='s')", True),
        ]
        cells += [code(f"lesson.explain('{name}', 2.0, unit='s')", True)]
    for name in ("a", "b", "c"):
        stub = f"size = 3\n{name} = ...  # bytes\n\nlesson.check('{name}', {name}, 6.0)"
        cells += [markdown(f"### Exercise {name}"), code(stub), markdown(SOLUTION.format(name=name, code=f"{name} = 2 * size"))]  # fmt: skip
    cells += [markdown("More.")] * 9
    cells += [code("lesson.quiz('end', [])", hidden=True)]
    cells += [markdown("## Summary\n\n**Where this model is wrong.** Often."), markdown("## Sources\n\n- One.")]
    return cells


def write(folder: Path, cells: list[dict[str, Any]], metadata: dict[str, Any] | None = None) -> Path:
    count = 0
    for i, cell in enumerate(cells):
        cells[i] = cell = {"id": f"cell-{i}", **cell}
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
    for name in ("README.md", "ring.png", "02_cpu.ipynb", "10_watts.ipynb"):
        (folder / name).touch()
    path = folder / "06_talk.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_a_good_chapter_passes(tmp_path: Path) -> None:
    assert lint.lint(write(tmp_path, small_chapter())) == []


def replaced(old: str, new: str) -> Any:
    def change(cells: list[dict[str, Any]]) -> None:
        hit = [c for c in cells if old in c["source"]]
        assert hit, f"{old!r} is nowhere in the small chapter"
        hit[0]["source"] = hit[0]["source"].replace(old, new)

    return change


def output(**data: Any) -> Any:
    def change(cells: list[dict[str, Any]]) -> None:
        cells[3]["outputs"] = [{"output_type": "display_data", "metadata": {}, **data}]

    return change


def removed(start: str) -> Any:
    return lambda cells: cells.remove(next(c for c in cells if c["source"].startswith(start)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replaced("## Recall", "# Recall"), "2 headings of level 1"),
        (replaced("## Recall", "#### Recall"), "heading level skipped"),
        (replaced("![A ring]", "![]"), "without alt text"),
        (replaced("More.", '<img src="ring.png">'), "without alt text"),
        (replaced("More.", "See [that](missing.ipynb)."), "missing.ipynb does not exist"),
        (replaced("More.", "In /" + "home/me/x."), "an absolute path"),
        (replaced("More.", "From py" + "pi.org."), "a package registry"),
        (replaced("# solution: a", "# a"), "'# solution: a'"),
        (replaced("# solution: a", "# solution: z"), "belongs to no exercise"),
        (replaced("a = ...", "a = 1"), "has no stub"),
        (replaced("lesson.explain('one'", "lesson.explain('ono'"), "differ: ['one', 'ono']"),
        (replaced("lesson.check('b'", "lesson.check('a'"), "stands twice"),
        (replaced("size = 3", "%matplotlib inline\nsize = 3"), "magics"),
        (replaced("size = 3", "\n".join(["size = 3"] * 160)), "visible lines of code"),
        (replaced("lesson.chapter(6)", "lesson.chapter(5)"), "lesson.chapter(6)"),
        (replaced("[Contents](README.md)", ""), "no link to the contents"),
        (replaced("[Next](10_watts.ipynb)", ""), "the next chapter, 10_watts.ipynb"),
        (replaced("45 minutes", "soon"), "does not say minutes"),
        (replaced("- size a network", ""), "three things"),
        (replaced("# 6. ", "# 7. "), "the title must begin '# 6. '"),
        (replaced("Where this model is wrong", "Fine"), "where this model is wrong"),
        (replaced("Hint</summary>\n\n", "Hint</summary>\n"), "a blank line must follow"),
        (replaced("## Sources", "## References"), "must be '## Sources'"),
        (removed("lesson.quiz"), "no lesson.quiz"),
        (lambda cells: cells[3].update(metadata={}), "hide its source"),
        (lambda cells: cells.extend(small_chapter()[-10:-3] * 3), "30 to 45"),
        (output(data={lint.VIEW: {}, "text/html": "x"}), "a widget view is saved beside"),
        (output(data={lint.VIEW: {}, "text/plain": "x"}), "no picture or HTML"),
        (output(data={"text/html": "<img src='x'>"}), "the output has an image without alt"),
        (output(output_type="error", ename="KeyError", evalue="'x'"), "KeyError"),
        (output(output_type="stream", name="stderr", text="warned"), "stderr"),
        (lambda cells: cells[5].update(id="cell-4"), "cell ids"),
    ],
)
def test_the_linter_sees(tmp_path: Path, change: Any, said: str) -> None:
    cells = [dict(c) for c in small_chapter()]
    change(cells)
    problems = lint.lint(write(tmp_path, cells))
    assert any(said in p for p in problems), problems


def test_the_linter_sees_widget_state_and_cells_not_run(tmp_path: Path) -> None:
    path = write(tmp_path, small_chapter(), {"widgets": {}})
    assert any("widget state" in p for p in lint.lint(path))
    raw = json.loads(path.read_text())
    raw["cells"][1]["execution_count"] = None
    path.write_text(json.dumps(raw))
    assert any("executed" in p for p in lint.lint(path))


def test_a_solution_takes_the_place_of_every_stub() -> None:
    cell = "n = 8\na = ...\nb = ...\n\nx = y[..., 0] if n < 0 else n\nlesson.check('a', a + b)"
    assert lint.put_in(cell, "a, b = 1, 2").splitlines() == [
        "n = 8", "a, b = 1, 2", "", "x = y[..., 0] if n < 0 else n", "lesson.check('a', a + b)"]  # fmt: skip
    function = "def f(x):\n    'doc'\n    return ...\n\nlesson.check('f', f)"
    assert run(lint.put_in(function.replace("lesson.check('f', f)", "f(2)"), "def f(x):\n    return 3 * x")) == 6
    with pytest.raises(ValueError, match="no stub"):
        lint.put_in("a = 1", "a = 2")


def test_a_wrong_solution_is_found(tmp_path: Path) -> None:
    chapter = lint.Chapter(write(tmp_path, small_chapter()))
    exercise = chapter.exercises[0]
    assert run(chapter.setup.source, exercise.cell.source).status == "not attempted"
    assert run(chapter.setup.source, lint.put_in(exercise.cell.source, exercise.solution)).right
    assert not run(chapter.setup.source, lint.put_in(exercise.cell.source, "a = 3 * size")).right
