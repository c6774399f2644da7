"""Twenty learners at once: each signs up, logs in, runs a chapter and moves controls; how quick is it, and what does it need?

Usage: python tools/classroom/load.py URL [--learners 20] [--chapter 06] [--moves 30] [--as-root]

Learners speak to the hub as a browser does: forms with their tokens, a kernel over its web socket, widgets by messages.
Prints who finished, the latency of a control's move (median, 95th percentile), memory a learner, and what one learner
can see of another: with --as-root, that must be nothing.
"""

import argparse
import asyncio
import json
import re
import statistics
import sys
import time
import uuid
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

PASSWORD = "a long password of "


class Learner:
    """One learner's session with the hub."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name, self.cookies = url.rstrip("/"), name, SimpleCookie()
        self.client = AsyncHTTPClient(force_instance=True, max_clients=4)
        self.waits: list[float] = []
        self.errors: list[str] = []

    @property
    def base(self) -> str:
        return f"{self.url}/user/{self.name}"

    def _headers(self) -> dict[str, str]:
        headers = {"Cookie": "; ".join(f"{k}={m.value}" for k, m in self.cookies.items())}
        if "_xsrf" in self.cookies:
            headers["X-XSRFToken"] = self.cookies["_xsrf"].value
        return headers

    async def fetch(
        self, path: str, method: str = "GET", form: Any = None, body: Any = None, follow: int = 12
    ) -> HTTPResponse:
        """A request with the session's cookies; redirects are followed by hand, so that each may set cookies."""
        address = path if path.startswith("http") else self.url + path
        data = urlencode(form) if form is not None else (json.dumps(body) if body is not None else None)
        request = HTTPRequest(address, method=method, headers=self._headers(), body=data, follow_redirects=False,
                              request_timeout=180, allow_nonstandard_methods=True)  # fmt: skip
        response = await self.client.fetch(request, raise_error=False)
        for line in response.headers.get_list("Set-Cookie"):
            self.cookies.load(line)
        if response.code in (301, 302, 303, 307) and follow:
            return await self.fetch(_joined(address, response.headers["Location"]), follow=follow - 1)
        if response.code >= 400:
            raise RuntimeError(f"{self.name}: {method} {path}: {response.code} {response.body[:200]!r}")
        return response

    async def enter(self) -> float:
        """Sign up, log in, wait for the own server; seconds from the login."""
        password = PASSWORD + self.name
        await self.fetch("/hub/signup")
        form = {"username": self.name, "signup_password": password, "signup_password_confirmation": password,
                "_xsrf": self.cookies["_xsrf"].value}  # fmt: skip
        await self.fetch("/hub/signup", "POST", form=form)
        await self.fetch("/hub/login")
        started = time.perf_counter()
        form = {"username": self.name, "password": password, "_xsrf": self.cookies["_xsrf"].value}
        await self.fetch("/hub/login?next=%2Fhub%2Fhome", "POST", form=form)
        await self.fetch("/hub/spawn")
        while True:
            page = await self.fetch("/hub/home")
            if b'id="stop"' in page.body:
                try:
                    await self.fetch(f"{self.base}/lab")
                    await self.fetch(f"{self.base}/api/status")
                    break
                except (RuntimeError, HTTPClientError):
                    pass
            await asyncio.sleep(0.5)
        return time.perf_counter() - started

    async def work(self, chapter: str, moves: int) -> None:
        """Run every cell of a chapter, then move the first panel's controls."""
        listing = json.loads((await self.fetch(f"{self.base}/api/contents/notebooks")).body)
        path = next(
            f["path"] for f in listing["content"] if f["name"].startswith(chapter) and f["name"].endswith(".ipynb")
        )
        notebook = json.loads((await self.fetch(f"{self.base}/api/contents/{path}")).body)["content"]
        body = {"name": path, "path": path, "type": "notebook", "kernel": {"name": "python3"}}
        session = json.loads((await self.fetch(f"{self.base}/api/sessions", "POST", body=body)).body)
        kernel = session["kernel"]["id"]
        address = f"{self.base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
        socket = await websocket_connect(
            HTTPRequest(address, headers=self._headers(), connect_timeout=180, request_timeout=180)
        )
        sliders: dict[str, dict[str, Any]] = {}
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                continue
            message = _message("execute_request", {"code": "".join(cell["source"]), "silent": False, "store_history": True,
                                                   "user_expressions": {}, "allow_stdin": False, "stop_on_error": True})  # fmt: skip
            await socket.write_message(json.dumps(message))
            await self._until_idle(socket, message, sliders)
        movable = [m for m, state in sliders.items() if len(state["_options_labels"]) > 2]
        if not movable:
            self.errors.append("no slider was made")
        for move in range(moves if movable else 0):
            model = movable[move % min(4, len(movable))]
            state = sliders[model]
            index = (int(state["index"]) + 1) % len(state["_options_labels"])
            state["index"] = index
            message = _message("comm_msg", {"comm_id": model, "data": {"method": "update", "state": {"index": index},
                                                                       "buffer_paths": []}})  # fmt: skip
            started = time.perf_counter()
            await socket.write_message(json.dumps(message))
            pictures = await self._until_idle(socket, message, {})
            self.waits.append(time.perf_counter() - started)
            if not pictures:
                self.errors.append("a move changed no picture")
            await asyncio.sleep(0.3)  # a quick hand
        self.kernel = kernel
        socket.close()

    async def _until_idle(self, socket: Any, message: dict[str, Any], sliders: dict[str, Any]) -> int:
        """Read until the kernel has done with a message; notes sliders and errors, returns how many pictures came."""
        pictures = 0
        while True:
            raw = await asyncio.wait_for(socket.read_message(), 180)
            if raw is None:
                raise RuntimeError(f"{self.name}: the kernel hung up")
            answer = (
                json.loads(raw) if isinstance(raw, str) else json.loads(raw[raw.index(b"{") : raw.rindex(b"}") + 1])
            )
            if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if kind == "error":
                self.errors.append(f"{content['ename']}: {content['evalue']}")
            elif kind == "comm_open" and content["data"].get("state", {}).get("_model_name") == "SelectionSliderModel":
                sliders[content["comm_id"]] = content["data"]["state"]
            elif kind == "comm_msg" and "data:image/png" in str(content["data"].get("state", {}).get("value", "")):
                pictures += 1
            elif kind == "status" and content["execution_state"] == "idle":
                return pictures


def _joined(address: str, location: str) -> str:
    from urllib.parse import urljoin

    return urljoin(address, location)


def _message(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": uuid.uuid4().hex, "date": "",
              "version": "5.3"}  # fmt: skip
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }


def memory_of_learners(names: list[str]) -> dict[str, float]:
    """Bytes that each learner's processes keep for themselves (proportional set size), from /proc."""
    used = dict.fromkeys(names, 0.0)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            name = re.search(rb"JUPYTERHUB_USER=([^\0]+)", environment)
            if name and name[1].decode() in used:
                share = re.search(r"^Pss:\s+(\d+)", (process / "smaps_rollup").read_text(), re.M)
                used[name[1].decode()] += 1024 * float(share[1]) if share else 0.0
        except OSError:
            continue
    return used


async def nothing_shared(first: Learner, second: Learner) -> list[str]:
    """What one learner sees of another: pages, files through the hub, files through the own kernel."""
    seen = []
    for path in (f"{second.base}/api/contents/notebooks", f"{second.base}/api/kernels", "/hub/api/users"):
        try:
            answer = await first.fetch(path, follow=0)
            if answer.code < 300:
                seen.append(f"{path} answers {answer.code}")
        except RuntimeError:
            pass
    code = f"import pathlib; print([str(p) for p in pathlib.Path.home().parent.glob('{second.name}/notebooks/*')][:3])"
    body = {"name": "look", "path": "look", "type": "console", "kernel": {"name": "python3"}}
    session = json.loads((await first.fetch(f"{first.base}/api/sessions", "POST", body=body)).body)
    address = f"{first.base.replace('http', 'ws', 1)}/api/kernels/{session['kernel']['id']}/channels"
    socket = await websocket_connect(HTTPRequest(address, headers=first._headers()))
    message = _message("execute_request", {"code": code, "silent": False, "store_history": False, "user_expressions": {},
                                           "allow_stdin": False, "stop_on_error": True})  # fmt: skip
    await socket.write_message(json.dumps(message))
    while True:
        raw = await asyncio.wait_for(socket.read_message(), 60)
        answer = json.loads(raw) if isinstance(raw, str) else {}
        if answer.get("msg_type") == "stream" and "/notebooks/" in answer["content"]["text"]:
            seen.append(f"files through the kernel: {answer['content']['text'].strip()}")
        if answer.get("msg_type") == "status" and answer["content"]["execution_state"] == "idle" \
                and answer["parent_header"].get("msg_id") == message["header"]["msg_id"]:  # fmt: skip
            return seen


async def hub_is_up(url: str, seconds: float = 90.0) -> None:
    """Wait for the hub; exits with a word if it does not come."""
    client, end = AsyncHTTPClient(), time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            await client.fetch(f"{url.rstrip('/')}/hub/health")
            return
        except (OSError, HTTPClientError):
            await asyncio.sleep(0.5)
    sys.exit(f"no hub answers at {url}: start it with make class")


async def run(options: argparse.Namespace) -> int:
    await hub_is_up(options.url)
    learners = [Learner(options.url, f"learner{i:02}") for i in range(1, options.learners + 1)]
    started = time.perf_counter()
    entered = await asyncio.gather(*(one.enter() for one in learners), return_exceptions=True)
    times = [t for t in entered if isinstance(t, float)]
    for one, found in zip(learners, entered, strict=True):
        if not isinstance(found, float):
            one.errors.append(f"did not get in: {found}")
    print(f"{len(times)} of {len(learners)} have their server after {time.perf_counter() - started:.0f} s", flush=True)
    inside = [one for one in learners if not one.errors]
    began = time.perf_counter()
    done = await asyncio.gather(*(one.work(options.chapter, options.moves) for one in inside), return_exceptions=True)
    for one, found in zip(inside, done, strict=True):
        if isinstance(found, BaseException):
            one.errors.append(f"{type(found).__name__}: {found}")
    waits = sorted(w for one in learners for w in one.waits)
    finished = [one for one in learners if not one.errors]
    print(
        f"{len(finished)} of {len(learners)} ran chapter {options.chapter} and moved controls, in {time.perf_counter() - began:.0f} s"
    )
    if waits:
        print(f"a move of a control, all learners at work: median {1e3 * statistics.median(waits):.0f} ms, "
              f"95th percentile {1e3 * waits[int(0.95 * len(waits))]:.0f} ms ({len(waits)} moves)")  # fmt: skip
    used = [m for m in memory_of_learners([one.name for one in learners]).values() if m]
    if used:
        print(
            f"memory a learner (server and kernel): median {statistics.median(used) / 1e6:.0f} MB, most {max(used) / 1e6:.0f} MB"
        )
    seen = await nothing_shared(finished[0], finished[1]) if len(finished) > 1 else ["not tried: too few finished"]
    print("one learner sees of another:", "; ".join(seen) or "nothing")
    for one in learners:
        for error in one.errors[:2]:
            print(f"  {one.name}: {error[:300]}")
    return int(len(finished) < len(learners) or (options.as_root and bool(seen)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--learners", type=int, default=20)
    parser.add_argument("--chapter", default="06")
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--as-root", action="store_true", help="learners have system accounts: nothing may be shared")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
