"""JupyterHub for one class on one machine: own account, own password, own folder, own kernel for each learner.

Started by tools/classroom/start.py, which sets the environment read here. Beyond one machine: JupyterHub on Kubernetes,
with an image that Binder's convention makes of environment.yml; see the teacher's guide.
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

c = get_config()  # noqa: F821  JupyterHub hands it over
HOME = Path(os.environ["DCSERVER_CLASS_HOME"])
NOTEBOOKS = Path(os.environ["DCSERVER_CLASS_NOTEBOOKS"])
ROSTER = [name for name in os.environ.get("DCSERVER_CLASS_ROSTER", "").split(",") if name]
AS_ROOT = os.geteuid() == 0
PREFIX = "dcs-"  # of the system accounts, so that no learner's name meets one that is there

c.JupyterHub.bind_url = os.environ["DCSERVER_CLASS_URL"]
c.JupyterHub.hub_bind_url = os.environ["DCSERVER_CLASS_HUB_URL"]
c.ConfigurableHTTPProxy.command = os.environ["DCSERVER_CLASS_PROXY"].split("\n")
c.ConfigurableHTTPProxy.api_url = os.environ["DCSERVER_CLASS_PROXY_URL"]
c.ConfigurableHTTPProxy.pid_file = str(HOME / "proxy.pid")
c.JupyterHub.cookie_secret_file = str(HOME / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{HOME / 'hub.sqlite'}"
c.JupyterHub.concurrent_spawn_limit = 0  # a class comes in all at once: slower for each, but nobody is sent away
c.JupyterHub.cleanup_servers = True

# Accounts: a learner chooses a password at the first visit; with a roster, only the names on it may.
c.JupyterHub.authenticator_class = "native"
c.NativeAuthenticator.open_signup = not ROSTER
c.NativeAuthenticator.minimum_password_length = 8
c.NativeAuthenticator.allowed_failed_logins = 10
c.NativeAuthenticator.seconds_before_next_try = 60
c.Authenticator.admin_users = {"teacher"}
if ROSTER:
    c.Authenticator.allowed_users = {*ROSTER, "teacher"}
else:
    c.Authenticator.allow_all = True
c.Authenticator.username_pattern = r"^[a-z][a-z0-9._-]{0,20}$"


def folder_of(name: str) -> Path:
    """A learner's folder."""
    return HOME / "learners" / name


def sockets_of(name: str) -> Path:
    """Where a learner's kernels listen: files that no other account can open."""
    return HOME / "run" / name


def transport_of(name: str) -> str:
    """Files rather than ports: two of many kernels that start at once may draw the same port, and one then never answers."""
    longest = f"{sockets_of(name)}/kernel-01234567-89ab-cdef-0123-456789abcdef-ipc-1"
    return "ipc" if len(longest) < 104 else "tcp"  # no system takes a longer name for a socket


ONE_BY_ONE = asyncio.Lock()  # accounts are made in files of the system that only one may write at a time


async def before_start(spawner: object) -> None:
    """Prepare the learner's folder, beside the hub's other work: a class that comes in at once must not stop it."""
    name = spawner.user.name  # type: ignore[attr-defined]
    async with ONE_BY_ONE:
        await asyncio.to_thread(prepare, name)
    spawner.environment = {**spawner.environment, "JUPYTER_RUNTIME_DIR": str(sockets_of(name))}  # type: ignore[attr-defined]
    spawner.args = [*ARGUMENTS, f"--KernelManager.transport={transport_of(name)}"]  # type: ignore[attr-defined]


def prepare(name: str) -> None:
    """The learner's folder with the chapters in it; a file that is there already is never touched."""
    folder = folder_of(name)
    sockets_of(name).mkdir(parents=True, exist_ok=True)
    if AS_ROOT:
        account(PREFIX + name, folder)
    for source in sorted(NOTEBOOKS.rglob("*")):
        target = folder / "notebooks" / source.relative_to(NOTEBOOKS)
        if source.is_dir() or target.exists() or ".ipynb_checkpoints" in source.parts:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    if AS_ROOT:
        owner = pwd.getpwnam(PREFIX + name)
        for path in (folder, *folder.rglob("*")):
            if path.lstat().st_uid != owner.pw_uid:
                os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
        folder.chmod(0o700)
        os.chown(sockets_of(name), owner.pw_uid, owner.pw_gid)
        sockets_of(name).chmod(0o700)


def account(name: str, folder: Path) -> None:
    """A system account without a password of its own, so that learners cannot reach each other's files."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["useradd", "--create-home", "--home-dir", str(folder), "--shell", "/bin/bash",
                        "--user-group", name], check=True)  # fmt: skip


c.Spawner.pre_spawn_hook = before_start
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.Spawner.http_timeout = c.Spawner.start_timeout = 600  # thirty servers starting at once on two cores take minutes
c.Spawner.env_keep = ["PATH", "LANG", "LC_ALL"]
c.Spawner.environment = {"OMP_NUM_THREADS": "1", "JUPYTERHUB_SINGLEUSER_EXTENSION": "1"}
ARGUMENTS = [
    "--MappingKernelManager.cull_idle_timeout=3600",  # a kernel that nobody uses for an hour gives its memory back
    "--MappingKernelManager.cull_interval=300",
    "--LabApp.news_url=None",  # no request leaves the machine
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]

if AS_ROOT:
    from jupyterhub.spawner import LocalProcessSpawner

    class AccountSpawner(LocalProcessSpawner):
        """Starts a learner's server under the learner's own system account."""

        def make_preexec_fn(self, name: str) -> object:
            return super().make_preexec_fn(PREFIX + name)

        def user_env(self, env: dict) -> dict:
            folder = str(folder_of(self.user.name))
            return env | {"USER": PREFIX + self.user.name, "HOME": folder, "SHELL": "/bin/bash"}

    c.JupyterHub.spawner_class = AccountSpawner
else:
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = str(HOME / "learners" / "{username}")
