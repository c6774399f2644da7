"""For readers who hear the page, who use no mouse, who enlarge it, who read at night: the book, a chapter, the app.

axe-core judges what a program can judge from a page as it stands; keys, descriptions that follow a control, and
what becomes of a page at 200 % are driven and measured here. Screenshots go to screenshots/accessibility.
"""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from places import SCREENSHOTS
from test_chapters import CHANGED, CHAPTERS, STATE

pytestmark = pytest.mark.browser
SHOTS = SCREENSHOTS / "accessibility"
# The shortest chapter that has everything: a panel, a long experiment, predictions and a quiz.
WHOLE = [
    p for p in CHAPTERS if re.search(r"lab\.Run\(", text := p.read_text(encoding="utf-8")) and "lab.Panel(" in text
]
CHAPTER = min(WHOLE, key=lambda p: p.read_text(encoding="utf-8").count("lab.Panel("), default=None)
with_a_chapter = pytest.mark.skipif(CHAPTER is None, reason="no chapter with a panel and a long experiment")
PAGES = ["index.html", *(f"chapters/{p.stem}.html" for p in (CHAPTER,) if p), "chapters/glossary.html",
         "chapters/teachers_guide.html", "scoreboard.html", "api/compute.html", "search.html?q=roofline"]  # fmt: skip
# Nothing but text, links and tables, as on the other pages: by day is enough.
LONG = ["chapters/glossary.html", "chapters/teachers_guide.html"]
# What the course puts into JupyterLab. Its menus, side bars, prompts and editors are its own, and so are their findings.
OURS = [".jp-OutputArea-output", ".jp-RenderedMarkdown"]
COLOURS = ["color-contrast", "link-in-text-block"]
# What is folded away is not judged: open it.
UNFOLD = "() => document.querySelectorAll('details').forEach(d => { d.open = true; })"
WHOLE_WINDOW, HALF = {"width": 1280, "height": 1024}, {"width": 640, "height": 512}

# What sticks out of the window, or of a box that hides it; tables, code and pictures may scroll in a box of their own.
CUT_OFF = """within => {
    const out = [], width = document.documentElement.clientWidth, page = document.scrollingElement;
    const notebook = '.jp-WindowedPanel-outer'; // JupyterLab scrolls it instead of the page
    for (const e of document.querySelectorAll(within)) {
        if (e.closest('.MathJax, .visually-hidden, svg') || getComputedStyle(e).visibility === 'hidden') continue;
        const held = document.createRange();
        held.selectNodeContents(e);
        const place = (e.children.length || !e.innerText ? e : held).getBoundingClientRect(); // words may stick out of their box
        if (place.width < 2 || place.height < 2) continue;
        for (let box = e; box; box = box.parentElement) {
            const flows = getComputedStyle(box).overflowX, whole = box.matches('html, body'), scrolls = /auto|scroll/.test(flows);
            if (scrolls && !whole && !box.matches(notebook) && box.scrollWidth > box.clientWidth) break;
            const [left, right] = whole ? [0, width] : [box.getBoundingClientRect().left, box.getBoundingClientRect().right];
            if ((whole || box.matches(notebook) || /hidden|clip/.test(flows)) && (place.right > right + 1 || place.left < left - 1)) {
                out.push(`${e.tagName}.${e.className} ${Math.round(place.left)} to ${Math.round(place.right)} in ` +
                         `${box.tagName}.${box.className} ${Math.round(left)} to ${Math.round(right)}: ${e.innerText?.slice(0, 50)}`);
                break;
            }
        }
    }
    if (page.scrollWidth > width + 1) out.push(`the page is ${page.scrollWidth} wide in a window of ${width}`);
    return out.slice(0, 10); }"""


def findings(page: Any, *, within: list[str] | None = None, rules: list[str] | None = None) -> list[str]:
    """What axe-core calls serious or critical, one line each; all its rules if none are named."""
    page.evaluate(UNFOLD)
    page.wait_for_timeout(500)  # what was folded fades in; a theme's colours glide over
    page.evaluate(AXE_SCRIPT)
    where = {"include": [[selector] for selector in within]} if within else None
    # The size of targets is off unless asked for; a book has links in its text, which may be small.
    how: dict[str, Any] = {"rules": {"target-size": {"enabled": within is not None}}, "resultTypes": ["violations"]}
    if rules:
        how["runOnly"] = {"type": "rule", "values": rules}
    result = page.evaluate("([where, how]) => axe.run(where ?? document, how)", [where, how])
    assert result["passes"], "axe-core has looked at nothing"
    return [
        f"{found['id']}: {node['target'][-1]} {node['html'][:120]} {node['failureSummary']}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def enlarge(page: Any, to: dict[str, int] = HALF) -> None:
    """The page as a window of 1280 x 1024 shows it at 200 %, which is as if half as wide and high; or as told."""
    page.set_viewport_size(to)
    page.wait_for_timeout(400)


# The book.


def test_the_book_has_no_serious_finding_by_day_or_night(browser: Any, address: str) -> None:
    found: dict[str, list[str]] = {}
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    for path in PAGES:
        page.emulate_media(color_scheme="light")
        page.goto(f"{address}/{path}")
        if "search" in path:
            page.locator("#search-results li").first.wait_for()
        found[path] = findings(page)
        if path in LONG:
            continue
        page.emulate_media(color_scheme="dark")  # only its colours differ
        page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
        found[f"{path}, dark"] = findings(page, rules=COLOURS)
    assert {path: lines for path, lines in found.items() if lines} == {}
    page.close()


def test_the_book_reflows_at_200_percent_and_stands_still_if_asked(browser: Any, address: str) -> None:
    context = browser.new_context(
        viewport={"width": 640, "height": 512}, device_scale_factor=2, reduced_motion="reduce"
    )
    page = context.new_page()
    cut = {}
    SHOTS.mkdir(parents=True, exist_ok=True)
    for path in PAGES:
        page.goto(f"{address}/{path}")
        page.evaluate(UNFOLD)
        cut[path] = page.evaluate(CUT_OFF, "main *, .bd-article *")
        page.screenshot(path=SHOTS / f"book-200-{Path(path).stem.split('.')[0]}.png")
        assert page.evaluate("() => getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert {path: lines for path, lines in cut.items() if lines} == {}
    context.close()


class Pictures(HTMLParser):
    """The descriptions of the pictures that stand among a page's outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.alts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "img" and "_images/" in (found.get("src") or ""):
            self.alts.append(" ".join((found.get("alt") or "").split()))


def test_the_book_describes_each_picture_as_its_chapter_does(site: Path) -> None:
    for path in CHAPTERS:
        outputs = [o for c in nbformat.read(path, as_version=4).cells for o in c.get("outputs", [])]
        told = [
            " ".join(o["metadata"]["image/png"]["alt"].split()) for o in outputs if "image/png" in o.get("data", {})
        ]
        page = Pictures()
        page.feed((site / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8"))
        assert [a for a in page.alts if a in told] == told, f"{path.stem}: a picture without its words"


# A chapter in JupyterLab.


@pytest.fixture(scope="module")
def chapter(keep_notebook: Any) -> Any:
    """The chapter after a run, its forms answered and its tables open: everything that it can show is there."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page = keep_notebook(CHAPTER.name)
    for form in page.locator(".dcs-form").all():
        for radio in form.locator("input[type=radio]").all():
            radio.press("Space")
        if (typed := form.locator("input[type=text]")).count():
            typed.fill("1")
        form.get_by_role("button").press("Enter")
    page.settle()
    yield page
    assert page.errors == []
    assert page.external == []


@with_a_chapter
def test_a_chapter_has_no_serious_finding_by_day_or_night(chapter: Any) -> None:
    table = chapter.locator(".dcserver-buttons button", has_text="Table").first
    table.press("Space")
    chapter.locator(".dcserver-table table").first.wait_for()
    assert findings(chapter, within=OURS) == []
    change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
    chapter.evaluate(change, "JupyterLab Dark")
    chapter.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    chapter.wait_for_timeout(500)
    assert findings(chapter, within=OURS, rules=COLOURS) == []
    chapter.locator(".dcserver-panel").first.screenshot(path=SHOTS / "panel-dark.png")
    chapter.evaluate(change, "JupyterLab Light")
    chapter.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")
    table.press("Space")


@with_a_chapter
def test_tab_reaches_everything_in_order_and_shows_where_it_is(chapter: Any) -> None:
    stops = ".noUi-handle, select, input, button, summary"
    for kind in ("dcserver-panel", "dcs-form"):
        box = chapter.locator(f".{kind}").first
        reached = box.locator(stops)
        reached.first.focus()
        for index in range(reached.count()):
            place = reached.nth(index)
            assert place.evaluate("e => e === document.activeElement"), f"Tab did not come to {place.inner_text()!r}"
            chapter.keyboard.press("Shift")  # a key was pressed: the ring shows
            ring = place.evaluate(
                "e => { const s = getComputedStyle(e); return [s.outlineStyle, parseFloat(s.outlineWidth)]; }"
            )
            assert ring[0] == "solid", f"nothing shows that the keys go to {place.inner_text()!r}"
            assert ring[1] >= 2
            if index == 0:
                box.screenshot(path=SHOTS / f"focus-{kind}.png")
            chapter.keyboard.press("Tab")
        assert not box.evaluate("e => e.contains(document.activeElement)"), "Tab does not leave"


@with_a_chapter
def test_stations_reset_and_table_answer_to_keys_and_the_description_follows(chapter: Any) -> None:
    panel = chapter.locator(".dcserver-panel").first
    element, image = panel.element_handle(), panel.locator(".dcserver-picture img")
    first, told = chapter.evaluate(STATE, element), image.get_attribute("alt")
    seen = {first[1]: told}  # by sentence: the picture alone may differ by the ghost of the state before
    for station in panel.locator(".dcserver-buttons button:not(.dcserver-reset):not(.widget-toggle-button)").all():
        station.press("Enter")
        chapter.settle()
        seen[chapter.evaluate(STATE, element)[1]] = image.get_attribute("alt")
    assert len(seen) > 1, "no station changes the panel"
    panel.locator(".dcserver-reset").press("Enter")
    chapter.settle()
    assert chapter.evaluate(STATE, element)[1] == first[1]
    assert image.get_attribute("alt") == told
    for key in ("ArrowRight", "End", "Home"):
        picture, words = chapter.evaluate(STATE, element)
        panel.locator(".noUi-handle").first.press(key)
        chapter.wait_for_function(CHANGED, arg=[element, picture, words])
        seen[chapter.evaluate(STATE, element)[1]] = image.get_attribute("alt")
    assert len(set(seen.values())) == len(seen), "the sentence changes, the description does not"
    table = panel.locator(".dcserver-buttons button", has_text="Table")
    table.press("Enter")
    panel.locator(".dcserver-table table").wait_for()
    table.press("Space")
    panel.locator(".dcserver-table table").wait_for(state="detached")
    panel.locator(".dcserver-reset").press("Space")
    chapter.settle()


@with_a_chapter
def test_a_long_experiment_is_started_and_stopped_by_keys(chapter: Any) -> None:
    run = chapter.locator(".dcserver-run").first
    run.locator(".jupyter-button.mod-primary").focus()
    chapter.keyboard.press("Enter")
    run.locator(".dcserver-said [role=status]").wait_for()
    chapter.keyboard.press("Control+Shift+C")  # the list of commands, from wherever the keys go
    chapter.keyboard.type("interrupt kernel")
    chapter.keyboard.press("Enter")
    run.locator(".dcserver-said [role=alert]").wait_for()
    chapter.settle()
    run.locator(".jupyter-button.mod-primary:enabled").wait_for()


@with_a_chapter
def test_a_chapter_loses_nothing_at_200_percent_in_forced_colours_or_without_motion(chapter: Any) -> None:
    chapter.evaluate(UNFOLD)
    enlarge(chapter)
    cut = chapter.evaluate(CUT_OFF, ", ".join(f"{ours} *" for ours in OURS))
    for kind in ("panel", "run"):
        box = chapter.locator(f".dcserver-{kind}").first
        box.scroll_into_view_if_needed()
        chapter.screenshot(path=SHOTS / f"{kind}-200.png")
    enlarge(chapter, WHOLE_WINDOW)
    assert cut == []

    chapter.emulate_media(forced_colors="active", reduced_motion="reduce")
    panel = chapter.locator(".dcserver-panel").first
    handle = panel.locator(".noUi-handle").first
    handle.focus()
    chapter.keyboard.press("Shift")
    panel.screenshot(path=SHOTS / "panel-forced-colours.png")
    edges = "e => { const s = getComputedStyle(e); return [s.borderTopStyle, s.borderTopColor, s.outlineStyle]; }"
    ground = chapter.evaluate("() => getComputedStyle(document.body).backgroundColor")
    for part in (handle, panel.locator(".noUi-target").first):
        style, colour, _ = part.evaluate(edges)
        assert style == "solid", "a slider without edges vanishes where colours are forced"
        assert colour != ground
    assert handle.evaluate(edges)[2] == "solid"
    for button in (panel.locator(".dcserver-reset"), chapter.locator(".dcs-form").first.get_by_role("button")):
        assert button.evaluate(edges)[:2] not in (["none", ground], ["solid", ground]), "a button without edges"
    element = panel.element_handle()
    picture, words = chapter.evaluate(STATE, element)
    handle.press("ArrowRight")
    chapter.wait_for_function(CHANGED, arg=[element, picture, words])
    panel.locator(".dcserver-reset").press("Enter")
    chapter.settle()
    chapter.emulate_media(forced_colors="none", reduced_motion="no-preference")


# The app.


@with_a_chapter
def test_the_app_has_no_serious_finding_follows_the_night_and_reflows(browser: Any, app: str) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(90_000)
        page.goto(app)
        rules = None if scheme == "light" else COLOURS
        assert findings(page, rules=rules) == []
        assert page.evaluate(CUT_OFF, "body *") == []
        page.locator("li a", has_text=CHAPTER.name[:2]).first.click()
        panel = page.locator(".dcserver-panel").first
        image = panel.locator(".dcserver-picture img")
        image.wait_for()
        assert page.evaluate("() => document.body.dataset.jpThemeLight") == str(scheme == "light").lower()
        assert findings(page, within=["[role=main]"], rules=rules) == []
        assert page.get_by_role("main").count() == 1
        told, element = image.get_attribute("alt"), panel.element_handle()
        picture, words = page.evaluate(STATE, element)
        panel.locator(".noUi-handle").first.press("ArrowRight")
        page.wait_for_function(CHANGED, arg=[element, picture, words])
        assert image.get_attribute("alt") != told
        enlarge(page)
        assert page.evaluate(CUT_OFF, "body *") == []
        page.screenshot(path=SHOTS / f"app-200-{scheme}.png")
        context.close()
