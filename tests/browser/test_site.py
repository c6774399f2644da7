"""The static book and the live chapters: built without a warning, no dead link, nothing asked of the outside."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from places import RUNTIME
from test_chapters import CHAPTERS

pytestmark = pytest.mark.browser


class Links(HTMLParser):
    """Targets of a page's links and sources, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.nameless: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.targets += [found[a] or "" for a in ("href", "src") if a in found]
        self.anchors |= {found[a] or "" for a in ("id", "name") if a in found}
        if tag == "img" and not (found.get("alt") or "").strip() and not (found.get("src") or "").startswith("data:,"):
            self.nameless.append(found.get("src") or "")


def parsed(path: Path) -> Links:
    links = Links()
    links.feed(path.read_text(encoding="utf-8"))
    return links


def test_no_dead_link_and_no_picture_without_words(site: Path) -> None:
    pages = {
        p: parsed(p)
        for p in site.rglob("*.html")
        if "lite" not in p.relative_to(site).parts and "_static" not in p.parts
    }
    assert len(pages) > len(CHAPTERS) + 10
    dead, outside = [], set()
    for page, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme in ("http", "https"):
                outside.add(target)
                continue
            if parts.scheme or target.startswith("data:") or (not parts.path and not parts.fragment):
                continue
            to = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
            to = to / "index.html" if to.is_dir() else to
            if not to.exists():
                dead.append(f"{page.relative_to(site)} -> {target}")
            elif parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].anchors:
                dead.append(f"{page.relative_to(site)} -> {target} (no such place)")
    assert dead == []
    assert {p.relative_to(site): links.nameless for p, links in pages.items() if links.nameless} == {}


def test_every_chapter_is_a_page_with_a_button_and_pictures(site: Path) -> None:
    for path in CHAPTERS:
        page = site / "chapters" / f"{path.stem}.html"
        text = page.read_text(encoding="utf-8")
        assert f'href="../lite/lab/index.html?path={path.name}"' in text
        assert (site / "lite" / "files" / path.name).exists()
        article = text.split("<article")[1].split("</article>")[0]
        assert article.count("<h1") == 1  # the theme has another beside it, for print
        assert "jupyter-widgets" not in article
        if "lab.Panel(" in path.read_text(encoding="utf-8"):
            assert "_images/" in text, f"{path.stem}: no picture stands in place of its panels"


def test_fields_that_share_a_line_stand_each_on_its_own_in_the_reference(site: Path) -> None:
    page = (site / "api" / "training.html").read_text(encoding="utf-8")
    for field in ("data_parallel", "tensor_parallel", "context_parallel"):
        assert f"<strong>{field}</strong> (<em>float" in page.replace("<em><a", "<em>"), field


def test_live_chapters_get_the_package_from_the_site(site: Path) -> None:
    index = json.loads((site / "lite" / "pypi" / "all.json").read_text(encoding="utf-8"))
    assert {"dcserver", "simpy", "ipywidgets"} <= set(index)
    chapter = json.loads((site / "lite" / "files" / CHAPTERS[0].name).read_text(encoding="utf-8"))
    setup = "".join(next(c for c in chapter["cells"] if c["cell_type"] == "code")["source"])
    assert 'if sys.platform == "emscripten"' in setup
    assert RUNTIME in (site / "lite" / "jupyter-lite.json").read_text(encoding="utf-8")


def test_the_book_asks_nothing_of_the_outside_and_can_be_searched(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    outside: list[str] = []
    errors: list[str] = []
    page.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or outside.append(r.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    for path in ("index.html", *(f"chapters/{p.stem}.html" for p in CHAPTERS), "api/compute.html", "scoreboard.html"):
        page.goto(f"{address}/{path}")
        assert page.locator("h1").first.inner_text().strip()
    page.goto(f"{address}/search.html?q=roofline")
    page.locator("#search-results li").first.wait_for()
    page.goto(f"{address}/chapters/{CHAPTERS[1].stem}.html")
    switch = page.locator(".bd-header-article .theme-switch-button")
    box = switch.bounding_box()
    assert box["y"] >= 0, "the switch for the night hangs over the page's edge"
    switch.focus()
    for key in ("Enter", "Tab", "Tab", "Tab", "Enter"):  # system, light, dark
        page.keyboard.press(key)
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    page.evaluate("() => localStorage.clear()")
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/chapters/{CHAPTERS[1].stem}.html")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", dark)[:3])) < 80, f"dark mode has the background {dark}"
    assert errors == []
    assert outside == []
    page.close()


def test_a_live_chapter_asks_only_for_the_runtime(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    outside: set[str] = set()
    page.context.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or outside.add(r.url))
    page.goto(f"{address}/lite/lab/index.html?path={CHAPTERS[0].name}")
    page.locator(".jp-Notebook").first.wait_for(timeout=90_000)
    page.locator(".jp-Notebook h1").first.wait_for(timeout=90_000)
    page.wait_for_timeout(5000)  # the kernel has been started by then
    assert {u for u in outside if not u.startswith(RUNTIME.rsplit("/", 1)[0])} == set()
    page.close()
