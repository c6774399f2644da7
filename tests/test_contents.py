"""Chapter 00 lists the chapters and links those that exist; the glossary has every term that a chapter introduces."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
GLOSSARY = NOTEBOOKS / "glossary.md"
CJK = r"[\u3400-\u9fff]"


def prose(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def rows(text: str) -> list[list[str]]:
    """The cells of a markdown table, without its head."""
    lines = [[c.strip() for c in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if not set(line[0]) <= set("-| ")][1:]


def terms(markdown: str) -> set[str]:
    """Chinese terms that stand in brackets behind an English one."""
    return {
        term.strip()
        for inside in re.findall(rf"\(([^()]*{CJK}[^()]*)\)", markdown)
        for term in re.findall(rf"{CJK}(?:[A-Za-z ]*{CJK})*", inside)
    }


@pytest.mark.parametrize("path", CHAPTERS[1:], ids=lambda p: p.stem)
def test_the_contents_link_every_chapter_that_exists(path: Path) -> None:
    contents = prose(CHAPTERS[0]).split("## Contents")[1]
    (row,) = [r for r in rows(contents) if r[0] == path.name[:2]]
    assert path.name in row[1], f"chapter 00 does not link {path.name}"


def test_the_contents_list_nineteen_chapters_that_need_only_earlier_ones() -> None:
    listed = rows(prose(CHAPTERS[0]).split("## Contents")[1])
    assert [r[0] for r in listed] == [f"{n:02}" for n in range(19)]
    for number, *_, needs in listed:
        assert all(need < number for need in re.findall(r"\d\d", needs)), f"{number} needs {needs}"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_the_glossary_has_every_chinese_term_of_a_chapter(path: Path) -> None:
    known = {term.strip() for row in rows(GLOSSARY.read_text(encoding="utf-8")) for term in row[1].split(",")}
    assert terms(prose(path)) - known == set()


def test_the_glossary_is_in_order_and_names_real_chapters() -> None:
    listed = rows(GLOSSARY.read_text(encoding="utf-8"))
    names = [row[0].casefold() for row in listed]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    for row in listed:
        assert len(row) == 4, row
        assert all(row), row
        assert re.fullmatch(r"\d\d(, \d\d)*", row[3]), row


def test_a_missing_term_would_be_found() -> None:
    assert terms("the ring (环, 环形), go-back-N (回退 N 步); D0 深度服务器 is a title") == {"环", "环形", "回退 N 步"}
    assert rows("| a | b |\n|---|---|\n| c | d |\n") == [["c", "d"]]
