"""Each chapter in JupyterLab, in a browser: runs, and every control of every panel answers to the keyboard.

Screenshots of chapters and panels go to screenshots/, which git ignores. Look at them.
"""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from places import NOTEBOOKS, SCREENSHOTS

pytestmark = pytest.mark.browser
CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))
# Where the panel's picture and sentence stand now, and whether both differ from then.
STATE = """panel => [panel.querySelector('.dcserver-picture img')?.src ?? '', panel.querySelector('.dcserver-readout')?.innerText ?? '']"""
CHANGED = """([panel, picture, words]) => {
    const image = panel.querySelector('.dcserver-picture img'), readout = panel.querySelector('.dcserver-readout');
    return image.src !== picture && readout.innerText !== words && image.complete && image.naturalWidth > 300; }"""
CELL_ERRORS = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr'], .jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"


def keys_for(control: Any) -> list[str]:
    """Keys that move a control, the gentlest first; some settings change only the picture or only the sentence."""
    if control.evaluate("e => e.tagName") == "SELECT":
        return ["ArrowDown", "ArrowDown", "ArrowUp", "Home", "End"]
    if control.get_attribute("type") == "checkbox":
        return ["Space"]
    return ["ArrowRight", "ArrowLeft", "End", "Home", "PageUp", "PageDown"]


def move(page: Any, panel: Any, control: Any) -> float:
    """Move a control by keyboard until picture and sentence have changed; the seconds that the change took."""
    element = panel.element_handle()
    picture, words = page.evaluate(STATE, element)
    for key in keys_for(control):
        control.focus()
        started = time.perf_counter()
        control.press(key)
        try:
            page.wait_for_function(CHANGED, arg=[element, picture, words], timeout=4000, polling=10)
            return time.perf_counter() - started
        except Exception as problem:  # Playwright's own type is not known without it
            if "Timeout" not in type(problem).__name__:
                raise
    raise AssertionError("no key changed both picture and sentence")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_control_of_every_panel_answers_to_the_keyboard(path: Path, open_notebook: Any) -> None:
    page = open_notebook(path.name)
    folder = SCREENSHOTS / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    assert page.locator(CELL_ERRORS).count() == 0, page.locator(CELL_ERRORS).all_inner_texts()
    expected = len(re.findall(r"lab\.Panel\(", path.read_text(encoding="utf-8")))
    panels = page.locator(".dcserver-panel")
    if expected:
        panels.nth(expected - 1).locator(".dcserver-picture img").wait_for()
    assert panels.count() == expected
    waits = []
    for number in range(expected):
        panel = panels.nth(number)
        panel.scroll_into_view_if_needed()
        panel.screenshot(path=folder / f"panel-{number + 1}-default.png")
        controls = panel.locator(
            ".dcserver-controls .noUi-handle, .dcserver-controls select, .dcserver-controls input[type=checkbox]"
        )
        assert 1 <= controls.count() <= 4
        for index in range(controls.count()):
            control = controls.nth(index)
            label = control.locator("xpath=ancestor::*[contains(@class, 'jupyter-widgets')][1]").inner_text()
            assert label.strip(), f"panel {number + 1}, control {index + 1} has no label"
            if control.get_attribute("role") == "slider":
                assert control.get_attribute("aria-label"), f"{label}: the handle has no name for screen readers"
            try:
                waits.append(move(page, panel, control))
            except AssertionError:  # what another control was moved to may leave this one without effect: start anew
                panel.locator(".dcserver-reset").press("Enter")
                page.settle()
                try:
                    waits.append(move(page, panel, control))
                except AssertionError as problem:
                    raise AssertionError(f"panel {number + 1}, {label.strip()!r}: {problem}") from None
            page.settle()
        alt = panel.locator(".dcserver-picture img").get_attribute("alt")
        assert len(alt) > 20
        table = panel.locator(".dcserver-buttons button", has_text="Table")
        if table.count():
            table.press("Space")
            panel.locator(".dcserver-table table").wait_for()
        panel.screenshot(path=folder / f"panel-{number + 1}-moved.png")
        panel.locator(".dcserver-reset").press("Enter")
        page.settle()
    start_and_stop(page, folder)
    for image in page.locator(".jp-OutputArea img:visible").all():
        assert (image.get_attribute("alt") or "").strip(), "an image of the live page has no description"
    page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer").first.evaluate("e => e.scrollTo(0, 0)")
    whole_chapter(page, folder / "chapter.png")
    assert page.errors == []
    assert page.external == []
    if waits:
        waits.sort()
        print(f"\n{path.stem}: {len(waits)} controls, key to picture {1e3 * waits[len(waits) // 2]:.0f} ms (median), "
              f"{1e3 * waits[-1]:.0f} ms (slowest)")  # fmt: skip


def start_and_stop(page: Any, folder: Path) -> None:
    """Each long experiment starts by keyboard, shows its progress, and stops when the kernel is told to."""
    for number, run in enumerate(page.locator(".dcserver-run").all(), 1):
        run.scroll_into_view_if_needed()
        run.screenshot(path=folder / f"run-{number}-first.png")
        run.locator(".jupyter-button.mod-primary").focus()
        page.keyboard.press("Enter")
        run.locator(".dcserver-said", has_text=re.compile(r"\d+ %")).wait_for()
        run.screenshot(path=folder / f"run-{number}-running.png")
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
        run.locator(".dcserver-said [role=alert]").wait_for()
        page.settle()
        run.screenshot(path=folder / f"run-{number}-stopped.png")


def whole_chapter(page: Any, path: Path) -> None:
    """A screenshot of the chapter from top to bottom: the window is made as tall as the notebook."""
    height = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.jp-Notebook, .jp-WindowedPanel-outer')].map(e => e.scrollHeight))"
    )
    page.set_viewport_size({"width": 1280, "height": min(int(height) + 150, 16_000)})
    page.wait_for_timeout(500)
    page.screenshot(path=path)
    page.set_viewport_size({"width": 1280, "height": 1400})
