"""Chapters alive in the browser, truly run there: only where a release of Pyodide is at hand.

DCSERVER_PYODIDE is its archive or folder, as PYODIDE is for tools/site/build.py. Without it nothing of this runs: the release is
no package of a registry. tests/test_as_in_a_browser.py then stands in for it.
"""

import functools
import http.server
import json
import os
import re
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from test_chapters import CHAPTERS

ROOT = Path(__file__).resolve().parents[2]
RELEASE = os.environ.get("DCSERVER_PYODIDE", "")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not RELEASE, reason="DCSERVER_PYODIDE names no release of Pyodide"),
]
NOTEBOOK = "window.jupyterapp?.shell?.currentWidget"
IDLE = f"() => {NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'"
ALL_RUN = f"""() => {NOTEBOOK}.content.widgets.filter(w => w.model.type === 'code')
    .every(w => w.model.executionState === 'idle' && w.model.executionCount)"""
OUTPUTS = f"() => {NOTEBOOK}.content.widgets.map(w => w.model.type === 'code' ? w.model.outputs.toJSON() : [])"
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def address(tmp_path_factory: Any) -> Any:
    """A server of the live chapters, with the browser's Python among them."""
    sys.path.insert(0, str(ROOT / "tools" / "site"))
    import build

    place = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYODIDE", RELEASE)
        patch.delenv("PYODIDE_URL", raising=False)
        build.live(place / "work", place / "lite")
    settings = place / "lite" / "jupyter-lite.json"
    page = json.loads(settings.read_text(encoding="utf-8"))
    page["jupyter-config-data"]["exposeAppInBrowser"] = True
    settings.write_text(json.dumps(page), encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(place / "lite")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def words(outputs: list[dict[str, Any]]) -> list[str]:
    """What a cell printed, showed as HTML, or raised; pictures and the plain text beside them left out."""
    found = []
    for output in outputs:
        if output["output_type"] == "stream":
            found.append("".join(output["text"]))
        elif output["output_type"] == "error":
            found.append(f"{output['ename']}: {output['evalue']}")
        elif "text/html" in output["data"]:
            found.append(re.sub(r"data:image[^\"']*", "", "".join(output["data"]["text/html"])))
        elif set(output["data"]) == {"text/plain"}:
            found.append("".join(output["data"]["text/plain"]))
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_runs_in_the_browser_as_it_is_saved(path: Path, browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.set_default_timeout(300_000)
    outside: list[str] = []
    page.context.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or outside.append(r.url))
    page.goto(f"{address}/lab/index.html?path={path.name}")
    page.wait_for_function(IDLE)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(ALL_RUN, polling=250)
    saved = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for number, (live, cell) in enumerate(zip(page.evaluate(OUTPUTS), saved, strict=True)):
        if cell["cell_type"] == "code":
            shown = [output for output in live if VIEW not in output.get("data", {})]
            has_widget = len(shown) < len(live)
            kept = [o for o in cell["outputs"] if not has_widget or set(o.get("data", {"text": 0})) != {"text/plain"}]
            if shown or not has_widget:
                assert words(shown) == words(kept), f"cell {number}"
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area').catch(() => 0)")
    for run in page.locator(".dcserver-run").all():
        stop_in_the_page(run)
    assert outside == []
    page.close()


def stop_in_the_page(run: Any) -> None:
    """A long experiment shows its progress, and its own Stop ends it: the kernel's cannot be heard here."""
    run.scroll_into_view_if_needed()
    run.locator(".jupyter-button").first.click()
    run.locator(".dcserver-said", has_text=re.compile(r"\d+ %|measured|Done|Stopped")).wait_for()
    stop = run.locator(".jupyter-button", has_text="Stop")
    if stop.is_visible():
        stop.click()
    run.locator(".dcserver-said [role=alert]").wait_for()
    assert re.search("Done|Stopped", run.locator(".dcserver-said").inner_text())
