"""A page to hand in: whole in itself, and never written over another unasked."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dcserver import centre, lab

TASK = centre.task("70B")
DESIGN = centre.Design(ownership="rent", servers=120)
RESULT = centre.evaluate(DESIGN, TASK)


def page() -> "lab.report":  # type: ignore[valid-type]
    best = centre.evaluate(centre.Design(kind="DGX H200", servers=87, layout="rail-optimised"), TASK)
    return lab.report(RESULT, "A <b> learner", centre.score(DESIGN, TASK, best), "Power is dear & here.")


def test_the_figure_is_a_page_of_a4() -> None:
    assert page().figure.get_size_inches() == pytest.approx((8.27, 11.69))
    assert page().figure.axes[1].get_title(loc="left") == "Where the money goes"


def test_the_html_needs_nothing_else_and_escapes_what_a_learner_types() -> None:
    text = page().html
    assert text.count("<img") == 1
    assert "data:image/png;base64," in text
    assert not re.findall(r"(?:src|href)=\"(?!data:)", text)
    assert "A &lt;b&gt; learner" in text
    assert "dear &amp; here" in text


def test_the_words_hold_the_figures() -> None:
    words = page().markdown
    for told in (
        "rent",
        "Where the power goes",
        f"{RESULT.months:.2f}",
        "four of five",
        "Against the cheapest",
        "Missed: ",
    ):
        assert told in words, told
    assert "nan" not in words
    assert "Missed" in page().alt


def test_saving_only_when_asked_and_never_over_another(tmp_path: Path) -> None:
    one = page()
    target = tmp_path / "mine.html"
    assert not list(tmp_path.iterdir())
    assert one.save(target) == target
    before = target.read_text(encoding="utf-8")
    assert before == one.html
    target.write_text("something dear", encoding="utf-8")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        one.save(target)
    assert target.read_text(encoding="utf-8") == "something dear"
    one.save(target, overwrite=True)
    assert target.read_text(encoding="utf-8") == before
    assert one.save(tmp_path / "mine.md").read_text(encoding="utf-8").startswith("# A data centre for Llama 3.1 70B")
    with pytest.raises(ValueError, match="html"):
        one.save(tmp_path / "mine.pdf")


def test_one_design_that_fits() -> None:
    with pytest.raises(ValueError, match="one design"):
        lab.report(centre.evaluate(replace(DESIGN, servers=np.array([80, 90])), TASK))
    with pytest.raises(ValueError, match="does not fit"):
        lab.report(centre.evaluate(replace(DESIGN, servers=1), TASK))
