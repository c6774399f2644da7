"""The chapters in a Python that refuses what a browser's Python refuses.

Usage: python tests/as_in_a_browser.py < chapters.json

The input holds the code cells of each chapter, as the site has them, and the packages that the site carries; the output
what goes wrong in each chapter, what the measurements say that they cannot do, and what this Python refuses.

Each refusal is what Pyodide 314 answered when it was asked, in Chromium: the same exception, the same words. It also has
a clock of 0.1 ms, and only the packages that its release brings or that the site carries. What cannot be had here are
its 32-bit whole numbers and its files in memory; for those there is tests/browser/test_live.py.
"""

import _thread
import ast
import asyncio
import contextlib
import importlib.abc
import importlib.metadata
import inspect
import io
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# In the release's pyodide-lock.json, or brought by JupyterLite's kernel.
RELEASE = {
    "asttokens", "comm", "contourpy", "cryptography", "cffi", "cycler", "decorator", "executing", "fonttools", "ipython",
    "jedi", "kiwisolver", "matplotlib", "matplotlib-inline", "ml-dtypes", "networkx", "numpy", "packaging", "parso",
    "pillow", "prompt-toolkit", "pure-eval", "pycparser", "pygments", "pyparsing", "python-dateutil", "pytz", "setuptools", "six",
    "stack-data", "traitlets", "wcwidth",
}  # fmt: skip


def refuse(kind: type[Exception], *words: Any) -> Callable[..., Any]:
    """A function that raises, whatever it is given."""

    def refused(*_: Any, **__: Any) -> Any:
        raise kind(*words)

    return refused


class Absent(importlib.abc.MetaPathFinder):
    """Packages that are installed here, and that a browser's Python does not have."""

    def __init__(self, present: set[str]) -> None:
        homes = importlib.metadata.packages_distributions()
        names = {name: {re.sub(r"[-_.]+", "-", home).lower() for home in found} for name, found in homes.items()}
        self.absent = {name for name, found in names.items() if not found & present} | {"_multiprocessing", "resource"}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        if name.split(".")[0] in self.absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class Page:
    """What the page would say while Python stands still for it: here, presses of buttons that a test left."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def run_sync(self, coroutine: Any) -> None:
        coroutine.close()
        while self.waiting:
            self.waiting.pop(0)()


def become(carried: set[str]) -> Page:
    """Turn this Python into one in a browser; before anything else is imported."""
    sysconfig.get_config_vars()  # read from a file that is named after the platform
    sys.platform = "emscripten"
    platform.system, platform.machine, platform.processor = lambda: "Emscripten", lambda: "wasm32", lambda: ""
    # Threads and processes.
    subprocess._can_fork_exec = False
    _thread.start_new_thread = refuse(RuntimeError, "can't start new thread")
    for name in ("_start_new_thread", "_start_joinable_thread"):
        if hasattr(threading, name):
            setattr(threading, name, _thread.start_new_thread)
    os.fork = refuse(OSError, 52, "Function not implemented")
    os.system = lambda command: -1
    os.cpu_count = lambda: 1
    # The network.
    for name in ("bind", "listen", "connect"):
        setattr(socket.socket, name, refuse(OSError, 138, "Not supported"))
    # What is simply not there.
    for module, names in {os: ("posix_spawn", "preadv", "pwritev", "sched_getaffinity", "process_cpu_count", "link"),
                          signal: ("setitimer", "alarm")}.items():  # fmt: skip
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    fine = time.perf_counter
    time.perf_counter = lambda: int(fine() * 1e4) / 1e4
    page = Page()
    ffi: Any = types.ModuleType("pyodide.ffi")
    ffi.can_run_sync, ffi.run_sync = lambda: True, page.run_sync
    sys.modules |= {"pyodide": types.ModuleType("pyodide"), "pyodide.ffi": ffi}
    sys.meta_path.insert(0, Absent(RELEASE | carried))
    return page


class Installer:
    """piplite: what the set-up cell asks for must be there."""

    def __init__(self, present: set[str]) -> None:
        self.present = present

    async def install(self, packages: list[str]) -> None:
        if missing := {name.replace("_", "-") for name in packages} - self.present:
            raise ValueError(f"can't find a wheel of {', '.join(sorted(missing))}")


async def run_cell(source: str, namespace: dict[str, Any]) -> Any:
    """The value of a cell's last expression; ``await`` works at its top level, as in a notebook."""
    tree, flags = ast.parse(source), ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    code = compile(tree, "<cell>", "exec", flags)
    if inspect.CO_COROUTINE & code.co_flags:
        await eval(code, namespace)
    else:
        exec(code, namespace)
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), "<cell>", "eval", flags), namespace)
    return await value if inspect.iscoroutine(value) else value


async def chapter_faults(cells: list[str], page: Page) -> list[str]:
    """What goes wrong when a chapter's cells run in order, its panels are moved, and its experiments are started."""
    from dcserver.lab.panels import Panel
    from dcserver.lab.runs import Run

    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *shown: None}
    found = []
    for number, source in enumerate(cells):
        try:
            repr(await run_cell(source, namespace))
        except Exception as trouble:
            found.append(f"code cell {number}: {type(trouble).__name__}: {trouble}")
    for name, thing in list(namespace.items()):
        if isinstance(thing, Panel):
            control = thing.controls[0]
            thing.set(**{control.name: control.values[-1]})
            if not thing.text or not thing.png().startswith(b"\x89PNG"):
                found.append(f"{name}: no answer")
        elif isinstance(thing, Run):
            found += [f"{name}: {fault}" for fault in await run_faults(thing, page)]
    return found


async def run_faults(run: Any, page: Page) -> list[str]:
    """Press the button, let it show progress, press Stop as soon as it does, and read what it says."""
    press, bar, stop, said = run.widget().children[1].children
    shares: list[float] = []
    found = []

    def see(change: Any) -> None:
        shares.append(change["new"])
        if stop.layout.display == "none":
            found.append("no Stop button while it runs")
        page.waiting.append(stop.click)

    if "Stop ends it" not in said.value:
        found.append(f"before it runs it says {said.value!r}")
    bar.observe(see, names="value")
    press.click()
    for _ in range(3):
        await asyncio.sleep(0)
    if not shares:
        found.append("no progress was shown")
    if not re.search("Stopped at|Stopped before|Done", said.value):
        found.append(f"in the end it says {said.value!r}")
    if press.disabled or stop.layout.display != "none":
        found.append("its buttons stay as they were while it ran")
    return found


def measured() -> dict[str, list[str]]:
    """What each measurement of the learner's machine says that it cannot do."""
    from dcserver.lab import bench, ciphers, loading, ring

    said = {
        "bench": list(bench.measure(1.0, progress=lambda *_: None).notes),
        "loading": list(loading.measure(images=24, seconds=0.5).notes),
        "ciphers": list(ciphers.measure(0.1).notes),
    }
    try:
        ring.all_reduce(2, 1e5)
    except RuntimeError as why:
        said["ring"] = [str(why)]
    return said


def refused() -> dict[str, str]:
    """What this Python answers to what a browser cannot do."""
    import multiprocessing

    asked: dict[str, Callable[[], Any]] = {
        "a thread": lambda: threading.Thread(target=print).start(),
        "a process": lambda: subprocess.Popen([sys.executable]),
        "a fork": os.fork,
        "a barrier": lambda: multiprocessing.get_context("spawn").Barrier(2),
        "a port": lambda: socket.socket().bind(("127.0.0.1", 0)),
        "SciPy": lambda: importlib.import_module("scipy"),
    }
    said = {}
    for what, ask in asked.items():
        try:
            ask()
        except Exception as trouble:
            said[what] = type(trouble).__name__
    return said


def main() -> None:
    given = json.load(sys.stdin)
    page = become(set(given["carried"]))
    sys.modules["piplite"] = Installer(RELEASE | set(given["carried"]))  # type: ignore[assignment]
    os.chdir(ROOT / "notebooks")
    out = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()):
        faults = {name: asyncio.run(chapter_faults(cells, page)) for name, cells in given["chapters"].items()}
        json.dump({"faults": faults, "measured": measured(), "refused": refused()}, out)


if __name__ == "__main__":
    main()
