"""A class on this machine: JupyterHub on loopback, one account, one folder and one kernel for each learner.

Usage: python tools/classroom/start.py [--port 8000] [--ip 127.0.0.1] [--roster names.txt] [--home FOLDER]

Start it as root (sudo) where learners must not reach each other's files: each then gets a system account of its own.
The proxy (configurable-http-proxy) comes by npm into the class's folder at the first start.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PROXY = "configurable-http-proxy"


def proxy_command(home: Path) -> list[str]:
    """How to start the proxy: the system's, or one put into the class's folder by npm."""
    if found := shutil.which(PROXY):
        return [found]
    local = home / "node_modules" / ".bin" / PROXY
    if not local.exists():
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("the class needs Node.js with npm, for JupyterHub's proxy: install it (apt-get install npm)")
        print(f"getting {PROXY} by npm ...", flush=True)
        subprocess.run(
            [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(home), PROXY], check=True
        )
    return [str(local)]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def names(roster: Path) -> list[str]:
    """The learners of a list, one name a line; exits with a clear word on one that cannot be an account."""
    found = [line.strip().lower() for line in roster.read_text(encoding="utf-8").splitlines() if line.strip()]
    bad = [n for n in found if not (n[:1].isalpha() and n.isascii() and n.replace("-", "").replace("_", "").isalnum())]
    if bad or not found:
        sys.exit(
            f"{roster}: "
            + (f"{', '.join(bad)}: a name is letters, digits, - and _, a letter first" if bad else "no names")
        )
    return found


def closed_to_others(path: Path) -> Path | None:
    """The first folder on the way to a file that other accounts may not enter; None if they may reach it."""
    return next((p for p in reversed(path.parents) if not p.stat().st_mode & 0o001), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--ip", default="127.0.0.1", help="0.0.0.0 lets the room in: put a proxy with TLS before it")
    parser.add_argument("--roster", type=Path, help="names that may sign up, one a line; without it, anyone may")
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "class", help="accounts and learners' folders")
    options = parser.parse_args()
    home = options.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    if os.name != "posix":
        sys.exit("JupyterHub runs on Linux and macOS; on Windows use WSL")
    as_root = os.geteuid() == 0
    home.chmod(0o711 if as_root else 0o700)
    if as_root:
        for path in (Path(sys.executable), Path(sys.executable).resolve(), ROOT / "dcserver" / "__init__.py"):
            if wall := closed_to_others(path):
                sys.exit(f"learners' accounts cannot enter {wall}, and {path} lies behind it: clone the course, and make its "
                         "environment with a system Python, where everyone may read (under /opt, say)")  # fmt: skip
    else:
        print("not root: all learners' kernels share this account and can reach each other's files", flush=True)
    environment = dict(
        os.environ,
        DCSERVER_CLASS_HOME=str(home), DCSERVER_CLASS_NOTEBOOKS=str(ROOT / "notebooks"),
        DCSERVER_CLASS_ROSTER=",".join(names(options.roster)) if options.roster else "",
        DCSERVER_CLASS_URL=f"http://{options.ip}:{options.port}",
        DCSERVER_CLASS_HUB_URL=f"http://127.0.0.1:{free_port()}",
        DCSERVER_CLASS_PROXY_URL=f"http://127.0.0.1:{free_port()}",
        DCSERVER_CLASS_PROXY="\n".join(proxy_command(home)),
    )  # fmt: skip
    command = [sys.executable, "-m", "jupyterhub", "--config", str(HERE / "jupyterhub_config.py")]
    print(f"the class is at http://{options.ip}:{options.port}/hub/signup; the account 'teacher' is the administrator's",
          flush=True)  # fmt: skip
    os.chdir(home)
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    sys.exit(main())
