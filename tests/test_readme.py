"""What the README shows is true: its example runs, its scoreboard names every table, its pictures and links are there."""

import contextlib
import csv
import io
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from dcserver import validation

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import matrix  # noqa: E402
import scoreboard  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_runs_as_it_stands() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example, "README.md", "exec"), {})
    printed = out.getvalue()
    assert "limited by power limit" in printed
    assert "Does not fit" in printed
    assert "model FLOP utilisation" in printed
    assert "best by time" in printed


def test_the_scoreboard_names_every_table_and_every_chapter_is_listed() -> None:
    for table in validation.TABLES:
        assert f"| `{table}` |" in README, f"make scoreboard: {table} is missing"
    for chapter in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"):
        assert f"(notebooks/{chapter.name})" in README


def test_the_numbers_of_the_course_are_counted() -> None:
    said = README.split(scoreboard.FACTS[0])[1].split(scoreboard.FACTS[1])[0].strip()
    assert said == scoreboard.facts(README), "make scoreboard"
    rows = 0
    for table in validation.TABLES:
        with open(
            ROOT / "dcserver" / "catalog" / "measurements" / f"{table}.csv", encoding="utf-8", newline=""
        ) as file:
            rows += sum(1 for _ in csv.DictReader(file))
    assert f"of {rows:,} rows of published measurements scored" in said
    assert f"**{len(list((ROOT / 'notebooks').glob('[0-9][0-9]_*.ipynb')))}** chapters" in said
    versions = [version for version, _ in matrix.ENVIRONMENTS.values()]
    assert f"Python {versions[0]} to {versions[-1]}" in said
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert PROJECT["license"].replace(" AND ", ", ").replace("CC-BY-", "CC BY ") in said


def test_every_extra_is_explained_and_brings_what_is_said() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", README.split("What each extra installs")[1], re.M))
    extras = PROJECT["optional-dependencies"]
    assert set(rows) >= set(extras)
    names = {"jupyterlab": "JupyterLab", "voila": "Voilà", "matplotlib": "Matplotlib", "pillow": "Pillow"}
    for extra, wanted in extras.items():
        brought = {names.get(n, n).lower() for n in (re.match(r"[\w-]+", requirement)[0] for requirement in wanted)}
        for word in rows[extra].split(", "):
            word = word.removeprefix("and ").lower()
            if extra == "test" and word.startswith("all of these"):
                included = set(
                    re.search(r"\[(.*)\]", next(w for w in wanted if w.startswith("dcserver[")))[1].split(",")
                )
                assert included == set(extras) - {"test", *re.findall(r"`(\w+)`", word)}
            else:
                assert any(word in name or name.startswith(word) for name in brought), (
                    f"{extra} does not install {word}"
                )


def test_the_citation_is_that_of_the_file_for_reference_managers() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for key in ("cff-version", "message", "title", "authors"):
        assert cited[key], f"CITATION.cff needs {key}"
    assert cited["version"] == PROJECT["version"]
    said = f"> {cited['authors'][0]['name']} ({cited['date-released'].year}). *{cited['title']}*. Version {cited['version']}."
    assert said in README
    assert " AND ".join(cited["license"]) == PROJECT["license"]


def test_the_moving_picture_is_small_and_comes_to_rest() -> None:
    image = pytest.importorskip("PIL.Image").open(ROOT / "notebooks" / "images" / "panel.gif")
    seconds = 0.0
    for number in range(image.n_frames):
        image.seek(number)
        seconds += image.info["duration"] / 1000
    assert image.n_frames > 10
    assert seconds <= 5, "what moves for longer needs a way to stop it"
    assert "loop" not in image.info
    assert (ROOT / "notebooks" / "images" / "panel.gif").stat().st_size < 1e6


def test_every_link_to_a_file_leads_somewhere_and_every_picture_is_described() -> None:
    for picture, text, target in re.findall(r"(!?)\[([^\]]*)\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
        assert not picture or len(text) > 20, f"{target} needs a description"
