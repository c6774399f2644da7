"""Predictions, quizzes and panels are worked by keyboard alone: JupyterLab does not take their keys."""

import re
from typing import Any

import pytest
from places import NOTEBOOKS

FIRST = next(NOTEBOOKS.glob("00_*.ipynb"), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(FIRST is None, reason="chapter 00 is not among the notebooks"),
]


@pytest.fixture
def page(open_notebook: Any) -> Any:
    page = open_notebook(FIRST.name)
    yield page
    assert page.errors == []


def press(page: Any, *keys: str) -> None:
    """Keys one after the other, each when the kernel has heard of the one before."""
    for key in keys:
        page.keyboard.press(key)
        page.settle()


def test_forms_and_panels_keep_their_keys(page: Any) -> None:
    form = page.locator(".dcs-form").filter(has_text="Commit").first
    form.locator("input[type=radio]").first.focus()
    press(page, "Space", "ArrowDown", "Tab", "Tab", "Tab", "Enter")  # the first of four, the second, the button
    form.get_by_text(re.compile("You predicted B:")).wait_for()
    page.locator(".jp-OutputArea").get_by_text(re.compile("^You predicted")).nth(
        1
    ).wait_for()  # the explanation follows

    quiz = page.locator(".dcs-form").filter(has_text="Check answers").first
    quiz.locator("input[type=radio]").first.focus()
    # The last of three options, twice: each option is a stop of its own.
    press(page, "Tab", "Tab", "Space", "Tab", "Tab", "Tab", "Space", "Tab", "Enter")
    quiz.get_by_text("2 of 2 right.").wait_for()

    panel = page.locator(".dcserver-panel").first
    readout, cells = panel.locator(".dcserver-readout"), page.locator(".jp-Cell").count()
    for control, keys in (("select", ["ArrowDown"]), (".noUi-handle", ["ArrowUp"]), (".dcserver-reset", ["Enter"])):
        before = readout.inner_text()
        panel.locator(control).first.focus()
        press(page, *keys, "d", "d")  # D twice deletes a cell, where JupyterLab hears it
        page.wait_for_function("([e, was]) => e.innerText !== was", arg=[readout.element_handle(), before])
    assert page.locator(".jp-Cell").count() == cells
