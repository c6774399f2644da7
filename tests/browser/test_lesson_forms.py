"""The forms of a lesson in a browser, by keyboard alone: predictions, and what then explains them; quizzes."""

import re
from typing import Any

import pytest
from places import NOTEBOOKS, SCREENSHOTS

pytestmark = pytest.mark.browser
# Every chapter has the same forms: the one with most predictions stands for all.
CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"), key=lambda p: -p.read_text(encoding="utf-8").count("lesson.predict("))


@pytest.mark.skipif(not CHAPTERS, reason="no chapter yet")
def test_predictions_and_quizzes_answer_to_the_keyboard(open_notebook: Any) -> None:
    path = CHAPTERS[0]
    text = path.read_text(encoding="utf-8")
    page = open_notebook(path.name)
    forms = page.locator(".dcs-form")
    wanted = len(re.findall(r"lesson\.(?:predict|quiz|recall)\(", text))
    page.wait_for_function("n => document.querySelectorAll('.dcs-form').length >= n", arg=wanted)
    assert forms.count() == wanted
    assert page.get_by_text("You have made no prediction").count() == text.count("lesson.explain(")
    for number in range(wanted):
        form = forms.nth(number)
        form.scroll_into_view_if_needed()
        button = form.get_by_role("button")
        radios, typed = form.locator("input[type=radio]"), form.locator("input[type=text]")
        if typed.count():
            typed.focus()
            typed.press_sequentially("1")
            typed.press("Tab")
        for index in range(radios.count()):
            # One after the other as Tab reaches them: the last of each question is what counts.
            radios.nth(index).focus()
            radios.nth(index).press("Space")
        button.focus()
        button.press("Enter")
        done = form.get_by_text(re.compile(r"You predicted|\d of \d right"))
        done.first.wait_for(timeout=10_000)
        page.settle()
        labels = form.locator(".widget-radio-box label, .widget-text label").all_inner_texts()
        assert all(label.strip() for label in labels)
    assert page.get_by_text("You have made no prediction").count() == 0
    assert page.get_by_text(re.compile("Explain: (not )?as you predicted")).count() == text.count("lesson.explain(")
    (SCREENSHOTS / path.stem).mkdir(parents=True, exist_ok=True)
    forms.first.screenshot(path=SCREENSHOTS / path.stem / "form.png")
    assert page.errors == []
    assert page.external == []
