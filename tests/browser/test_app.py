"""The experiments as an app: every chapter has its page, controls answer, and nothing comes from outside."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from test_chapters import CHANGED, CHAPTERS, STATE

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.browser
sys.path.insert(0, str(ROOT / "tools" / "app"))


@pytest.fixture(scope="module")
def app(tmp_path_factory: Any) -> Any:
    """The address of the app, served as `make app` does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("app")
    environment = dict(os.environ, JUPYTER_RUNTIME_DIR=str(home), JUPYTER_CONFIG_DIR=str(home), IPYTHONDIR=str(home))
    command = [sys.executable, str(ROOT / "tools" / "app" / "serve.py"), "--no-browser", f"--port={port}"]
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            break
        except OSError:
            time.sleep(0.2)
    else:
        process.kill()
        pytest.fail(f"the app did not start:\n{(home / 'log').read_text()[-2000:]}")
    yield address
    process.terminate()
    process.wait(15)


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
