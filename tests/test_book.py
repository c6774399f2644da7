"""The nineteen chapters read as one book: the same verdicts everywhere, recall that looks back, each term named once."""

import ast
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcserver import claims

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CHAPTERS = {p.name[:2]: p for p in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}
CJK = r"[\u3400-\u9fff]"
TWO_SENSES = {"解码"}  # a photo is decoded, and so is an answer
NUMBER_WORDS = "one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|fifty|ninety|hundred"


def cells(number: str) -> list[dict]:
    return json.loads(CHAPTERS[number].read_text(encoding="utf-8"))["cells"]


def prose(number: str) -> str:
    return "\n".join("".join(c["source"]) for c in cells(number) if c["cell_type"] == "markdown")


def tables(number: str) -> Iterator[list[list[str]]]:
    """The tables that the saved chapter shows, cell by cell."""
    for cell in cells(number):
        for output in cell.get("outputs", []):
            shown = "".join(output.get("data", {}).get("text/html", ""))
            for table in re.findall(r"<table.*?</table>", shown, re.S):
                rows = re.findall(r"<tr.*?</tr>", table, re.S)
                yield [
                    [
                        html.unescape(re.sub(r"<[^>]+>", "", c)).strip()
                        for c in re.findall(r"<t[hd].*?</t[hd]>", r, re.S)
                    ]
                    for r in rows
                ]


def verdicts(number: str) -> list[tuple[str, str]]:
    """Claim and verdict, of each row of a chapter's tables that gives one."""
    found = []
    for head, *rows in tables(number):
        if "verdict" in head:
            at = head.index("verdict")
            found += [(m[0], row[at]) for row in rows if (m := re.match(r"D\d-\d\d", row[0])) and len(row) > at]
    return found


def recall_questions(source: str) -> list[str]:
    """The questions of the recall in a cell; what is computed in them stands as a dot."""
    questions = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "lesson.recall":
            for inner in ast.walk(call):
                if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "lesson.Question":
                    text = inner.args[0]
                    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                    questions.append("".join(str(p.value) if isinstance(p, ast.Constant) else "." for p in parts))
    return questions


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_chapter_gives_each_claim_the_verdict_of_the_rule(number: str) -> None:
    given = verdicts(number)
    differing = [(c, said) for c, said in given if not re.match(rf"{claims.verdict(c).verdict}(:|$)", said)]
    assert differing == []


def test_verdicts_were_read_at_all() -> None:
    read = {number: len({c for c, _ in verdicts(number)}) for number in CHAPTERS}
    assert read["17"] == 89
    assert sum(n > 0 for n in read.values()) == len(CHAPTERS) - 1  # the capstone alone judges nothing
    assert sum(read.values()) > 89 + 100  # most of them stand in a chapter of their own as well


@pytest.mark.parametrize("number", [n for n in CHAPTERS if n != "00"])
def test_recall_looks_back_at_chapters_that_it_names(number: str) -> None:
    questions = [q for c in cells(number) if c["cell_type"] == "code" for q in recall_questions("".join(c["source"]))]
    assert len(questions) >= 2
    for question in questions:
        named = re.findall(r"\b\d\d\b", " ".join(re.findall(r"chapters? \d\d(?: and \d\d)*", question)))
        assert named, f"names no chapter: {question}"
        assert all(n < number for n in named), question


def test_a_recall_question_is_read_from_its_call() -> None:
    source = 'lesson.recall("before", [lesson.Question(f"Of {n} (chapter 03)?", {}, answer=1)])'
    assert recall_questions(source) == ["Of . (chapter 03)?"]
    assert recall_questions(source.replace("recall", "quiz")) == []


def test_a_term_has_its_chinese_name_where_it_first_comes_up_and_no_more() -> None:
    places: dict[str, list[str]] = {}
    for number in CHAPTERS:
        for inside in re.findall(rf"\(([^()]*{CJK}[^()]*)\)", prose(number)):
            for term in re.findall(rf"{CJK}(?:[A-Za-z ]*{CJK})*", inside):
                places.setdefault(term, []).append(number)
    assert len(places) > 200
    assert {term: at for term, at in places.items() if len(at) > 1 and term not in TWO_SENSES} == {}


@pytest.mark.parametrize("number", CHAPTERS)
def test_shares_are_written_with_a_number_and_a_space_before_the_sign(number: str) -> None:
    text = prose(number) + "".join("".join(c["source"]) for c in cells(number) if "lesson." in "".join(c["source"]))
    assert re.findall(rf"\b(?:\d+|{NUMBER_WORDS}) per ?cent\b", text) == []
    assert re.findall(r"\d%", prose(number)) == []
