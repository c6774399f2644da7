"""Whether the chapters have the anatomy of a chapter; used by the tests, or by hand:

python tools/lint_notebooks.py [notebooks/06_*.ipynb ...]
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VIEW = "application/vnd.jupyter.widget-view+json"
STATIC = {"image/png", "image/svg+xml", "text/html"}
MOST_CODE_LINES, CELLS, EXERCISES, EXPERIMENTS = 150, (30, 45), (3, 5), 2
# Written in pieces, so that this file does not hold what it looks for.
REGISTRIES = re.compile("|".join(["py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.", r"deb\." + "debian"]), re.I)
ABSOLUTE = re.compile(r"(?<![\w.:/~-])/(?:home|root|Users|tmp|usr|opt|var|mnt|work|srv|etc)/|\b[A-Z]:\\\\?\w|file:///")


@dataclass(frozen=True)
class Cell:
    """One cell, with its place."""

    number: int
    raw: dict[str, Any]

    @property
    def source(self) -> str:
        return "".join(self.raw["source"])

    @property
    def kind(self) -> str:
        return self.raw["cell_type"]

    @property
    def hidden(self) -> bool:
        return bool(self.raw.get("metadata", {}).get("jupyter", {}).get("source_hidden"))

    @cached_property
    def tree(self) -> ast.Module:
        try:
            return ast.parse(self.source)
        except SyntaxError:  # reported once, by the linter
            return ast.Module([], [])

    def lesson_calls(self) -> Iterator[tuple[str, str]]:
        """What of the lesson is called at the cell's top level: (call, its first argument)."""
        for statement in self.tree.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
                owner = value.func.value
                if isinstance(owner, ast.Name) and owner.id == "lesson":
                    first = value.args[0] if value.args else None
                    yield value.func.attr, str(first.value) if isinstance(first, ast.Constant) else ""


@dataclass(frozen=True)
class Exercise:
    """A cell that checks something, and the solution that a later markdown cell folds away."""

    name: str
    cell: Cell
    solution: str | None


class Chapter:
    """A notebook as its author wrote it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw = json.loads(path.read_text(encoding="utf-8"))
        self.cells = [Cell(i, c) for i, c in enumerate(self.raw["cells"])]
        self.code = [c for c in self.cells if c.kind == "code" and c.source.strip()]
        self.markdown = [c for c in self.cells if c.kind == "markdown"]

    @property
    def number(self) -> str:
        return self.path.name[:2]

    @property
    def setup(self) -> Cell:
        return self.code[0]

    def calls(self, what: str) -> list[tuple[str, Cell]]:
        """Names of all lesson calls of a kind, with their cells."""
        return [(name, cell) for cell in self.code for call, name in cell.lesson_calls() if call == what]

    @cached_property
    def solutions(self) -> dict[str, list[str]]:
        """Folded code blocks that begin with `# solution: NAME`."""
        found: dict[str, list[str]] = {}
        for cell in self.markdown:
            for folded in re.findall(r"<details>.*?</details>", cell.source, re.DOTALL):
                for block in re.findall(r"```python\n(.*?)```", folded, re.DOTALL):
                    if match := re.match(r"# solution: *(\S+)\n", block):
                        found.setdefault(match[1], []).append(block)
        return found

    @property
    def exercises(self) -> list[Exercise]:
        return [Exercise(name, cell, (self.solutions.get(name) or [None])[0]) for name, cell in self.calls("check")]


def is_stub(statement: ast.stmt) -> bool:
    """Whether a statement waits for the learner: it holds a literal `...` that is not an index."""
    indices = {
        id(inner) for node in ast.walk(statement) if isinstance(node, ast.Subscript) for inner in ast.walk(node.slice)
    }
    return any(
        isinstance(node, ast.Constant) and node.value is ... and id(node) not in indices for node in ast.walk(statement)
    )


def put_in(source: str, solution: str) -> str:
    """The cell with the solution in place of its stub statements."""
    lines, pieces, last, done = source.splitlines(), [], 0, False
    for statement in ast.parse(source).body:
        if is_stub(statement):
            pieces += lines[last : statement.lineno - 1] + ([] if done else [solution])
            last, done = statement.end_lineno or statement.lineno, True
    if not done:
        raise ValueError("the cell has no stub: no statement with a literal `...`")
    return "\n".join([*pieces, *lines[last:]])


def run_cell(source: str, namespace: dict[str, Any]) -> Any:
    """Runs a cell in the namespace and returns the value of its last expression, as a notebook does."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace) if last else None


def code_lines(cell: Cell) -> int:
    """Lines of code that a learner reads: no blanks, comments, or calls of the lesson's own parts."""
    skipped: set[int] = set()
    for statement in cell.tree.body:
        value = getattr(statement, "value", None)
        func = getattr(value, "func", None)
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "lesson":
            skipped |= set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    lines = enumerate(cell.source.splitlines(), 1)
    return sum(bool(line.strip()) and not line.strip().startswith("#") and i not in skipped for i, line in lines)


def without_code(markdown: str) -> str:
    """Markdown without its fenced blocks and `code`, in which `#` is no heading and `![` no image."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE))


def lint(path: Path, whole: bool = True) -> list[str]:
    """What is wrong with a notebook; whole: it is a chapter, and has all the parts of one."""
    chapter = Chapter(path)
    problems = [*_notebook(chapter), *_headings(chapter), *_text(chapter), *_exercises(chapter)]
    if whole:
        problems += [*_anatomy(chapter), *_head(chapter)]
    return [f"{path.name}: {p}" for p in problems]


def _notebook(chapter: Chapter) -> Iterator[str]:
    ids = [c.raw.get("id") for c in chapter.cells]
    if not all(ids) or len(set(ids)) < len(ids):
        yield "cell ids are missing or stand twice"
    if "widgets" in chapter.raw.get("metadata", {}):
        yield "widget state is saved in the notebook: run `make notebooks`"
    counts = [c.raw.get("execution_count") for c in chapter.code]
    if counts != list(range(1, len(counts) + 1)):
        yield "not every code cell was executed, in order: run `make notebooks`"
    for cell in chapter.code:
        if any(line.lstrip().startswith(("%", "!")) for line in cell.source.splitlines()):
            yield f"cell {cell.number}: magics and shell lines run only in IPython"
        elif not cell.tree.body:
            yield f"cell {cell.number}: no Python: a syntax error, or comments alone"
        for output in cell.raw.get("outputs", []):
            data = output.get("data", {})
            if output["output_type"] == "error":
                yield f"cell {cell.number}: {output.get('ename')}: {output.get('evalue')}"
            if output.get("name") == "stderr":
                yield f"cell {cell.number}: writes to stderr"
            if VIEW in data and STATIC & set(data):
                yield f"cell {cell.number}: a widget view is saved beside what a reader without a kernel can see"
            if set(data) == {VIEW} or (VIEW in data and set(data) <= {VIEW, "text/plain"}):
                yield f"cell {cell.number}: a widget with no picture or HTML for readers without a kernel"


def _headings(chapter: Chapter) -> Iterator[str]:
    level, ones = 0, 0
    for cell in chapter.markdown:
        for marks, text in re.findall(r"^(#{1,6}) +(.*)$", without_code(cell.source), re.MULTILINE):
            ones += len(marks) == 1
            if len(marks) > level + 1:
                yield f"cell {cell.number}: heading level skipped at {text!r}"
            level = len(marks)
    if ones != 1:
        yield f"{ones} headings of level 1; there must be one"
    if not chapter.cells or not re.match(r"# ", chapter.cells[0].source):
        yield "the first cell must begin with the title"


def _text(chapter: Chapter) -> Iterator[str]:
    for cell in chapter.markdown:
        text = without_code(cell.source)
        if re.search(r"!\[\s*\]\(", text):
            yield f"cell {cell.number}: an image without alt text"
        for tag in re.findall(r"<img\b[^>]*>", text):
            if not re.search(r"""alt=["'][^"']+["']""", tag):
                yield f"cell {cell.number}: an image without alt text"
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:|#", target) and not (chapter.path.parent / target.split("#")[0]).exists():
                yield f"cell {cell.number}: {target} does not exist"
    for cell in chapter.cells:
        shown = cell.source + "".join(
            "".join(text)
            for output in cell.raw.get("outputs", [])
            for mime, text in [("", output.get("text", "")), *output.get("data", {}).items()]
            if mime != "image/png" and isinstance(text, str | list)
        )
        shown = re.sub(r"data:image/[^\"']*", "", shown)
        if match := ABSOLUTE.search(shown):
            yield f"cell {cell.number}: an absolute path: {match[0]}"
        if match := REGISTRIES.search(shown):
            yield f"cell {cell.number}: a package registry: {match[0]}"
        if cell.kind == "code":
            for tag in re.findall(r"<img\b[^>]*>", shown):
                if not re.search(r"""alt=["'][^"']+["']""", tag):
                    yield f"cell {cell.number}: the output has an image without alt text"


def _exercises(chapter: Chapter) -> Iterator[str]:
    names = [e.name for e in chapter.exercises]
    for what in ("check", "predict", "explain", "quiz", "recall"):
        given = [name for name, _ in chapter.calls(what)]
        for name in sorted({n for n in given if given.count(n) > 1 or not n}):
            yield f"lesson.{what}({name!r}) stands twice, or its name is no literal"
    for exercise in chapter.exercises:
        where = f"cell {exercise.cell.number}: exercise {exercise.name!r}"
        if not any(is_stub(s) for s in exercise.cell.tree.body):
            yield f"{where} has no stub (a statement with `...`) in its cell"
        if len(chapter.solutions.get(exercise.name, [])) != 1:
            yield f"{where} needs one folded block that begins with '# solution: {exercise.name}'"
    for name in set(chapter.solutions) - set(names):
        yield f"solution {name!r} belongs to no exercise"
    predicted = {name for name, _ in chapter.calls("predict")}
    explained = {name for name, _ in chapter.calls("explain")}
    if predicted != explained:
        yield f"predicted and explained differ: {sorted(predicted ^ explained)}"


def _anatomy(chapter: Chapter) -> Iterator[str]:
    if not CELLS[0] <= len(chapter.cells) <= CELLS[1]:
        yield f"{len(chapter.cells)} cells; {CELLS[0]} to {CELLS[1]} are wanted"
    lines = sum(code_lines(c) for c in chapter.code if not c.hidden)
    if lines > MOST_CODE_LINES:
        yield f"{lines} visible lines of code; at most {MOST_CODE_LINES} are wanted"
    exercises = len(chapter.exercises)
    if not EXERCISES[0] <= exercises <= EXERCISES[1]:
        yield f"{exercises} exercises; {EXERCISES[0]} to {EXERCISES[1]} are wanted"
    for what in ("recall", "quiz"):
        if not chapter.calls(what):
            yield f"no lesson.{what}"
        for name, cell in chapter.calls(what):
            if not cell.hidden:
                yield f"cell {cell.number}: {what} {name!r} shows its answers: hide its source"
    if len(chapter.calls("predict")) < EXPERIMENTS:
        yield f"{len(chapter.calls('predict'))} predictions; {EXPERIMENTS} or more are wanted"
    for statement in chapter.setup.tree.body:
        is_chapter = isinstance(statement, ast.Expr) and list(chapter.setup.lesson_calls()) == [
            ("chapter", str(int(chapter.number)))
        ]
        if not isinstance(statement, ast.Import | ast.ImportFrom | ast.If) and not is_chapter:
            yield f"cell {chapter.setup.number}: the set-up holds imports and lesson.chapter({int(chapter.number)})"
    headings = [h for c in chapter.markdown for h in re.findall(r"^## +(.*)$", without_code(c.source), re.MULTILINE)]
    if not headings or not headings[-1].startswith("Sources"):
        yield "the last section must be '## Sources'"
    if not any(h.startswith("Summary") for h in headings):
        yield "no '## Summary'"
    prose = "\n".join(c.source for c in chapter.markdown).lower()
    for wanted in ("where this model is wrong", "<summary>hint", "<summary>solution"):
        if wanted not in prose:
            yield f"nowhere {wanted!r}"
    for cell in chapter.markdown:
        for inner in re.findall(r"<summary>.*?</summary>(\n?\n?)", cell.source):
            if inner != "\n\n":
                yield f"cell {cell.number}: a blank line must follow <summary>, or its markdown is not rendered"


def _head(chapter: Chapter) -> Iterator[str]:
    head = chapter.cells[0].source if chapter.cells else ""
    if not re.match(rf"# {int(chapter.number)}\. \S", head):
        yield f"the title must begin '# {int(chapter.number)}. '"
    if len(re.findall(r"^\s*[-*\d.]+ ", head, re.MULTILINE)) < 3 or not re.search(r"\b(can|able to)\b", head):
        yield "the head lists three things that the learner can do at the end"
    for wanted, name in ((r"\b\d+(-\d+)? minutes", "minutes"), (r"\bneeds?\b", "what it needs")):
        if not re.search(wanted, head, re.IGNORECASE):
            yield f"the head does not say {name}"
    links = dict(re.findall(r"\[([^\]]+)\]\(([^)]+)\)", head))
    linked = {text.split()[0].lower().strip(":←→ ") if text.split() else "" for text in links} | {
        word.lower() for text in links for word in re.findall(r"\w+", text)
    }
    chapters = sorted(chapter.path.parent.glob("[0-9][0-9]_*.ipynb"))
    neighbours = chapters.index(chapter.path) if chapter.path in chapters else 0
    if "contents" not in linked:
        yield "the head has no link to the contents"
    for step, word in ((-1, "previous"), (1, "next")):
        if 0 <= neighbours + step < len(chapters):
            name = chapters[neighbours + step].name
            if name not in links.values() and f"./{name}" not in links.values():
                yield f"the head does not link the {word} chapter, {name}"


def main(arguments: list[str]) -> int:
    """Prints what is wrong and returns how many notebooks are."""
    paths = [Path(a).resolve() for a in arguments] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    bad = 0
    for path in paths:
        problems = lint(path)
        bad += bool(problems)
        print("\n".join(problems) or f"{path.name}: good")
    return bad


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
