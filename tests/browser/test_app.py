"""The experiments as an app: every chapter has its page, controls answer, and nothing comes from outside."""

from typing import Any

import pytest
from test_chapters import CHANGED, CHAPTERS, STATE

pytestmark = pytest.mark.browser


def test_the_app_lists_the_chapters_and_its_controls_answer(browser: Any, app: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.set_default_timeout(90_000)
    outside: list[str] = []
    errors: list[str] = []
    page.on("request", lambda r: r.url.startswith((app, "data:", "blob:")) or outside.append(r.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(app)
    links = page.locator("li a")
    with_experiments = [p for p in CHAPTERS if "lab.Panel(" in p.read_text(encoding="utf-8")]
    assert [t[:2] for t in links.all_inner_texts()] == [p.name[:2] for p in with_experiments]
    for name in (with_experiments[0].name[:2], "06"):
        page.goto(app)
        page.locator("li a", has_text=name).first.click()
        panel = page.locator(".dcserver-panel").first
        panel.locator(".dcserver-picture img").wait_for()
        assert page.locator("h1").count() == 1
        assert page.locator(".jp-CodeMirrorEditor, .highlight").count() == 0, "an app shows no code"
        element = panel.element_handle()
        picture, words = page.evaluate(STATE, element)
        slider = panel.locator(".noUi-handle").first
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
            slider.press(key)
        page.wait_for_function(CHANGED, arg=[element, picture, words])
    assert errors == []
    assert outside == []
    page.close()
