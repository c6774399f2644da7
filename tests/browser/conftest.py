"""A real browser on a real JupyterLab: Debian's Chromium driven by Playwright, everything on loopback."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from places import NOTEBOOKS, ROOT, RUNTIME

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
# A notebook's outputs are only made when they scroll into view; a test wants them all.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},  # no pop-up, no network
    "notebook-extension/tracker": {"windowingMode": "none"},
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address, process, log):
    """Until a server that was started answers; what it wrote, if it does not."""
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    process.kill()
    pytest.fail(f"{address} did not answer (exit {process.poll()}):\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory):
    """The address of a JupyterLab over a copy of the notebooks, with settings of its own."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, home / "notebooks")
    for name, values in SETTINGS.items():
        extension, plugin = name.split("/")
        path = home / "settings" / "@jupyterlab" / extension / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    environment = dict(
        os.environ, JUPYTER_CONFIG_DIR=str(home / "config"), JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"), IPYTHONDIR=str(home / "ipython"),
    )  # fmt: skip
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        f"--ServerApp.root_dir={home / 'notebooks'}", "--expose-app-in-browser",
        f"--LabApp.workspaces_dir={home / 'workspaces'}", f"--LabApp.user_settings_dir={home / 'settings'}",
    ]  # fmt: skip
    log = home / "lab.log"
    with open(log, "wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    wait_for(f"{address}/api", process, log)
    yield address
    process.terminate()
    process.wait(15)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; without one the browser tests are skipped and say so, or fail where one is required."""
    if not CHROMIUM:
        missing = pytest.fail if os.environ.get("DCSERVER_REQUIRE_BROWSER") else pytest.skip
        missing("no Chromium found: install it (apt-get install chromium) or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def _opener(browser, lab_server):
    """A function that opens a notebook by name, runs all its cells and returns the page."""
    context = browser.new_context(viewport={"width": 1280, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.errors, page.external, page.kernel_was_busy = [], [], None
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda r: r.url.startswith((lab_server, "data:", "blob:")) or page.external.append(r.url))

    def settle():
        # Idle twice, 150 ms apart: moves that wait behind the first are then drawn too.
        for _ in range(2):
            page.wait_for_function(f"() => {KERNEL} === 'idle'")
            page.wait_for_timeout(150)

    def open_and_run(name):
        page.goto(f"{lab_server}/lab/tree/{name}?reset")
        page.wait_for_function(f"() => {KERNEL} === 'idle'")
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        settle()
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area').catch(() => 0)")
        return page

    page.settle = settle
    open_and_run.page = page
    yield open_and_run
    context.close()


@pytest.fixture
def open_notebook(browser, lab_server):
    """A function that opens a notebook by name, runs all its cells and returns the page."""
    with _opener(browser, lab_server) as opener:
        yield opener


@pytest.fixture(scope="module")
def keep_notebook(browser, lab_server):
    """The same, for the tests of one file that share a page."""
    with _opener(browser, lab_server) as opener:
        yield opener


@pytest.fixture(scope="session")
def site(tmp_path_factory: Any) -> Path:
    """The site, built as `make site` does, with the runtime's address set."""
    out = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, str(ROOT / "tools" / "site" / "build.py"), "--out", str(out)]
    done = subprocess.run(command, env=dict(os.environ, PYODIDE_URL=RUNTIME), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


@pytest.fixture(scope="session")
def address(site: Path) -> Any:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="session")
def app(tmp_path_factory: Any) -> Any:
    """The address of the app, served as `make app` does."""
    port = _free_port()
    home = tmp_path_factory.mktemp("app")
    environment = dict(os.environ, JUPYTER_RUNTIME_DIR=str(home), JUPYTER_CONFIG_DIR=str(home), IPYTHONDIR=str(home))
    command = [sys.executable, str(ROOT / "tools" / "app" / "serve.py"), "--no-browser", f"--port={port}"]
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    wait_for(address, process, home / "log")
    yield address
    process.terminate()
    process.wait(15)
