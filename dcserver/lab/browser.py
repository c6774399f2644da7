"""Python in a browser's page: one thread, which hears nothing of the page while it works, unless it stands still for it."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

IN_BROWSER = sys.platform == "emscripten"


def can_listen() -> bool:
    """Whether Python can stand still here: in browsers that can switch stacks, in calls that the event loop made."""
    if not IN_BROWSER:
        return False
    from pyodide.ffi import can_run_sync

    return bool(can_run_sync())


def listen() -> None:
    """Let in what the page has to say, a pressed button perhaps, where that can be."""
    if can_listen():
        from pyodide.ffi import run_sync

        run_sync(asyncio.sleep(0.005))


def soon(call: Callable[[], Any]) -> None:
    """Have the event loop call it, so that it can listen; without a browser, call it now."""
    if IN_BROWSER:
        asyncio.get_event_loop().call_soon(call)
    else:
        call()


def how_long(seconds: float) -> str:
    """About how long a long experiment takes, and what ends it early."""
    if not IN_BROWSER:
        return f"Takes about {seconds:.0f} s; the kernel's stop button ends it and keeps what it has."
    ends = (
        "Stop ends it and keeps what it has"
        if can_listen()
        else "this browser can only end it by restarting the kernel"
    )
    return f"Takes about {seconds:.0f} s outside a browser, a few times that in it; {ends}."
