"""The map and the teacher's guide say what the chapters say; every claim of the documents is treated somewhere."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
sys.path.insert(0, str(ROOT / "tools"))
import guide_answers  # noqa: E402

CHAPTERS = {p.name[:2]: p for p in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}
NUMBERS = [f"{n:02}" for n in range(19)]
MAP, GUIDE = ((NOTEBOOKS / name).read_text(encoding="utf-8") for name in ("map.md", "teachers_guide.md"))
CLAIMS = [
    f"{d}-{n:02}" for d, last in (("D0", 26), ("D1", 4), ("D2", 50), ("D3", 2), ("D4", 7)) for n in range(1, last + 1)
]
TREATED_LAST = ("15", "16", "17")  # the chapters that bring the last claims


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def head(number: str) -> str:
    return "".join(cells(CHAPTERS[number])[0]["source"])


def prose(number: str) -> str:
    return "\n".join("".join(c["source"]) for c in cells(CHAPTERS[number]) if c["cell_type"] == "markdown")


def code(number: str) -> str:
    return "\n".join("".join(c["source"]) for c in cells(CHAPTERS[number]) if c["cell_type"] == "code")


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without their heads."""
    found: list[list[str]] = []
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines:
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if set("".join(cells)) <= set("-"):
            found.pop()  # what stood above the rule was a head
        else:
            found.append(cells)
    return found


def numbers(text: str) -> list[str]:
    """Chapters that a text names; "07 to 13" names all seven."""
    every = re.sub(
        r"\b(\d\d) to (\d\d)\b", lambda m: " ".join(f"{n:02}" for n in range(int(m[1]), int(m[2]) + 1)), text
    )
    return re.findall(r"\b\d\d\b", every)


TOPICS = {row[0]: row for row in rows(section(MAP, "From the documents to the chapters"))}
LISTED = {row[0]: row for row in rows(section(MAP, "The chapters"))}
PATHS = {row[0]: numbers(row[1]) for row in rows(section(MAP, "Four paths"))}
CONTENTS = {row[0]: row for row in rows(prose("00").split("## Contents")[1]) if row[0] in NUMBERS}
NEEDS = {number: numbers(row[3]) for number, row in LISTED.items()}
PAGES = dict(re.findall(r"\n## (\d\d)\. [^\n]*\n(.*?)(?=\n## |\Z)", GUIDE, re.S))


def title(cell: str) -> str:
    """The words of a table's cell, linked or not."""
    return re.sub(r"\[(.*)\]\(.*\)", r"\1", cell)


def with_what_they_need(chapters: list[str]) -> set[str]:
    found = set(chapters)
    for number in chapters:
        found |= with_what_they_need(NEEDS[number])
    return found


def test_every_topic_has_its_chapters_and_every_chapter_its_topic() -> None:
    assert list(TOPICS) == [str(n) for n in range(1, 12)]
    by_topic = {topic: numbers(row[4]) for topic, row in TOPICS.items()}
    assert all(by_topic.values())
    assert sorted(sum(by_topic.values(), [])) == [n for n in NUMBERS if n not in ("00", "17", "18")]
    for number, row in LISTED.items():
        assert row[2] == next((t for t, chapters in by_topic.items() if number in chapters), "all")


def test_each_topic_is_one_of_documents_that_exist() -> None:
    for row in TOPICS.values():
        assert set(row[3].split(", ")) <= {"D0", "D1", "D2", "D3", "D4"}
        assert len(row[2]) > 40, row


def test_the_map_agrees_with_the_contents_of_chapter_00() -> None:
    assert list(LISTED) == list(CONTENTS) == NUMBERS
    for number in NUMBERS:
        assert title(LISTED[number][1]) == title(CONTENTS[number][1]), number
        assert LISTED[number][3] == CONTENTS[number][4], f"needs of {number}"
    line = next(s for s in prose("00").splitlines() if "In a hurry" in s)
    said = dict(re.findall(r"\*([A-Z][a-z ]+):\* ([\d, ]+)", line))
    assert {name.lower(): numbers(chapters) for name, chapters in said.items()} == PATHS


@pytest.mark.parametrize("number", CHAPTERS)
def test_the_map_agrees_with_the_chapter(number: str) -> None:
    assert CHAPTERS[number].name in LISTED[number][1], f"the map does not link {CHAPTERS[number].name}"
    assert head(number).splitlines()[0] == f"# {int(number)}. {title(LISTED[number][1])}"
    needed = re.search(r"^Needs: (.*?)\.(?:\s|$)", head(number), re.M)
    assert needed, "the head says what it needs in its own sentence"
    named = numbers(needed[1])
    assert set(named) <= with_what_they_need(NEEDS[number]), f"the head needs {named}, the map {NEEDS[number]}"
    assert set(NEEDS[number]) - {"00"} <= with_what_they_need(named), f"the head needs {named}, the map {NEEDS[number]}"
    for topic in re.findall(r"\btopic (\d+)", head(number)):
        assert number in numbers(TOPICS[topic][4]), f"the head says topic {topic}"


def test_chapters_need_earlier_ones_and_paths_have_what_they_need() -> None:
    for number, needs in NEEDS.items():
        assert all(need < number for need in needs), number
    for name, path in PATHS.items():
        assert path == sorted(path), name
        assert with_what_they_need(path) <= {*path, "00"}, name


def test_every_link_of_map_and_guide_leads_somewhere() -> None:
    for text in (MAP, GUIDE):
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (NOTEBOOKS / target).exists(), target


def missing_claims() -> list[str]:
    """Claims that no chapter names, in its text or in what its cells print."""
    shown = "\n".join(
        "".join(cell["source"]) + json.dumps([o for o in cell.get("outputs", []) if "image/png" not in o.get("data", {})])
        for path in CHAPTERS.values()
        for cell in cells(path)
    )  # fmt: skip
    return [claim for claim in CLAIMS if claim not in shown]


def test_every_claim_of_the_documents_is_treated() -> None:
    assert len(CLAIMS) == 89
    waiting, missing = [n for n in TREATED_LAST if n not in CHAPTERS], missing_claims()
    if waiting:
        pytest.skip(f"chapters {', '.join(waiting)} are not there yet; until then nobody treats {', '.join(missing)}")
    assert missing == []


def test_claims_of_finished_chapters_stay_treated() -> None:
    missing = set(missing_claims())
    for claim in ("D0-01", "D0-05", "D0-08", "D0-17", "D2-04", "D2-06", "D2-33", "D2-35", "D2-47", "D3-02", "D4-04"):
        assert claim not in missing


# The teacher's guide.


def test_the_guide_has_a_page_for_each_chapter_with_all_its_parts() -> None:
    assert list(PAGES) == NUMBERS
    for number, page in PAGES.items():
        assert f"\n## {number}. {title(LISTED[number][1])}\n" in GUIDE
        for part in ("Aims", "Have ready", "50 minutes", "At home", "Answers", "For a written test"):
            assert page.count(f"**{part}.**") == 1, f"{number}: {part}"
        assert "*Answer:*" in page
        assert page.count(f"<!-- answers {number} -->") == 1
        thoughts = rows(page.split("**50 minutes.**")[0])
        assert len(thoughts) >= 3, f"{number}: three misconceptions"
        assert all(row[0] and row[1] for row in thoughts)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_plan_fills_fifty_minutes(number: str) -> None:
    plan = PAGES[number].split("**50 minutes.**")[1].split("**At home.**")[0]
    spans = [(int(a), int(b)) for a, b in re.findall(r"^- (\d+)–(\d+): ", plan, re.M)]
    assert spans[0][0] == 0
    assert spans[-1][1] == 50
    assert all(before[1] == after[0] for before, after in zip(spans, spans[1:], strict=False))


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_page_speaks_of_what_the_chapter_has(number: str) -> None:
    page = PAGES[number]
    predicted = set(re.findall(r"lesson\.predict\(\s*\"([^\"]+)\"", code(number)))
    named = {
        n
        for group in re.findall(r"predictions? (`[^`]+`(?: and `[^`]+`)*)", page)
        for n in re.findall(r"`([^`]+)`", group)
    }
    assert named <= predicted
    assert named or not predicted
    exercises = {str(n + 1) for n in range(len(re.findall(r"lesson\.check\(", code(number))))}
    for group in re.findall(r"[Ee]xercises? (\d(?:, \d)*(?: and \d)?)", page):
        assert set(re.findall(r"\d", group)) <= exercises, f"exercise {group}"


@pytest.mark.parametrize("number", CHAPTERS)
def test_head_and_guide_keep_the_same_sections_for_home(number: str) -> None:
    kept = re.search(r"keeps sections? ([\d and,]*\d) for home", head(number))
    home = PAGES[number].split("**At home.**")[1].splitlines()[0]
    told = re.search(r"Sections? ([\d and,]*\d)", home)
    wanted, said = (re.findall(r"\d+", found[1]) if found else [] for found in (kept, told))
    assert said == wanted, f"head: {wanted}, guide: {said}"
    for section_kept in wanted:
        assert re.search(rf"^## {section_kept}\. ", prose(number), re.M), f"no section {section_kept}"


@pytest.mark.parametrize("number", NUMBERS)
def test_the_answers_are_those_of_the_solutions(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NOTEBOOKS)
    assert list(guide_answers.stale(GUIDE, only=number)) == [], "run tools/guide_answers.py"


def test_a_wrong_answer_would_be_found() -> None:
    assert guide_answers.alike("| 2.8 s (A: 10) |", "| 2.81 s (A: 10) |")
    assert not guide_answers.alike("| 2.8 s |", "| 2.9 s |")
    assert not guide_answers.alike("| 2.8 s |", "| 2.8 ms |")
    changed = GUIDE.replace("| exercise | one-way | 88.9 ms |", "| exercise | one-way | 44.4 ms |")
    assert changed != GUIDE
    assert list(guide_answers.stale(changed, only="01")) == ["01"]


def test_answers_that_are_no_numbers_read_the_same_everywhere() -> None:
    said = guide_answers.one_in_words
    assert said({"g", "b", "a", "e"}, "") == "a, b, e, g"
    assert said({30, 4, 100}, "GPUs") == "4 GPUs, 30 GPUs, 100 GPUs"
    assert said({"limit": "memory", "time": 0.002}, "s") == "limit: memory, time: 2 ms"
    assert said("memory", "s") == "memory"
    assert said(set(), "") == "none"
    assert guide_answers.alike("| a, b |", "| a, b |")
    assert not guide_answers.alike("| a, b |", "| a, c |")


def test_chapters_from_one_to_another_are_all_named() -> None:
    assert numbers("chapters 07 to 10, 12") == ["07", "08", "09", "10", "12"]


def test_the_commands_of_the_guide_stand_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(
        re.findall(r"\bmake ([a-z]+)", "\n".join(line for line in GUIDE.splitlines() if line.startswith("    ")))
    )
    assert named >= {"lab", "app", "site", "class", "assignment"}
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M), target
    for script in re.findall(r"\btools/[\w/]+\.py", GUIDE):
        assert (ROOT / script).exists(), script
