"""What the README shows is true: its example runs, its scoreboard names every table, its pictures and links are there."""

import contextlib
import io
import re
from pathlib import Path

from dcserver import validation

ROOT = Path(__file__).resolve().parents[1]
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


def test_every_link_to_a_file_leads_somewhere_and_every_picture_is_described() -> None:
    for picture, text, target in re.findall(r"(!?)\[([^\]]*)\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
        assert not picture or len(text) > 20, f"{target} needs a description"
