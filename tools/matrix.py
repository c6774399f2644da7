"""The tests on each Python and on the oldest and newest dependencies that pyproject.toml allows.

Usage: python tools/matrix.py [NAME ...]     (names: 3.11-oldest, 3.11, 3.12, 3.13; without names: all)

Each has a virtual environment of its own under build/matrix, made anew. A Python that is not on this machine is said to be
missing, and counts as a failure: nothing was shown of it.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "build" / "matrix"
ENVIRONMENTS = {
    "3.11-oldest": ("3.11", True),
    "3.11": ("3.11", False),
    "3.12": ("3.12", False),
    "3.13": ("3.13", False),
}
TESTS = {
    "units": ["-m", "pytest", "-q", "--ignore=tests/browser", "--ignore=tests/test_panels.py",
              "--ignore=tests/test_assignment.py", "--ignore=tests/test_planning_dask.py", "tests"],
    "doctests": ["-m", "pytest", "-q", "--doctest-modules", "dcserver"],
    "notebooks": ["-m", "pytest", "-q", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=120", "notebooks"],
}  # fmt: skip
NEEDED = ["hypothesis", "nbclient", "nbformat", "nbval", "py-rattler", "pytest", "pyyaml", "scipy"]


def interpreter(version: str) -> str | None:
    """A Python of that version: on the path, or among pyenv's."""
    if found := shutil.which(f"python{version}"):
        done = subprocess.run([found, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
        if done.returncode == 0:
            return found
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for folder in sorted(root.glob(f"{version}.*"), reverse=True):
        if (folder / "bin" / "python").exists():
            return str(folder / "bin" / "python")
    return None


def oldest() -> list[str]:
    """The lower bounds of the run-time and lab dependencies, as pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    pins = []
    for requirement in wanted:
        name, bound = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()  # type: ignore[union-attr]
        pins.append(f"{name}=={bound}.*" if bound.count(".") < 2 else f"{name}=={bound}")
    return pins


def prepare(name: str, python: str, old: bool) -> tuple[Path, str]:
    """Make the environment; returns its Python, and what it holds in words."""
    folder = HOME / name
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    mine = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [str(mine), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pins = oldest() if old else []
    subprocess.run([*pip, "--editable", f"{ROOT}[lab]", *pins, *NEEDED], check=True)
    said = subprocess.run([str(mine), "-c", "import numpy, matplotlib, ipywidgets, networkx, simpy, ml_dtypes; "
                           "print(*(f'{m.__name__} {m.__version__}' for m in (numpy, matplotlib, ipywidgets, networkx, simpy, "
                           "ml_dtypes)), sep=', ')"], capture_output=True, text=True, check=True)  # fmt: skip
    return mine, said.stdout.strip()


def main(names: list[str]) -> int:
    if unknown := [n for n in names if n not in ENVIRONMENTS]:
        print(f"no environment {', '.join(unknown)}; there are {', '.join(ENVIRONMENTS)}", file=sys.stderr)
        return 2
    rows, good = [], True
    for name in names or list(ENVIRONMENTS):
        version, old = ENVIRONMENTS[name]
        python = interpreter(version)
        if python is None:
            rows.append((name, "missing", "no such Python on this machine"))
            good = False
            continue
        print(f"\n== {name}: {python}", flush=True)
        try:
            mine, holds = prepare(name, python, old)
        except subprocess.CalledProcessError:
            rows.append((name, "FAILED", "its packages could not be installed"))
            good = False
            continue
        print(holds, flush=True)
        results = []
        for stage, command in TESTS.items():
            started = time.monotonic()
            environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONHASHSEED="0")
            code = subprocess.run([str(mine), *command], cwd=ROOT, env=environment).returncode
            results.append(f"{stage} {'passed' if code == 0 else 'FAILED'} ({time.monotonic() - started:.0f} s)")
            good &= code == 0
        rows.append((name, "; ".join(results), holds))
    print("\nenvironment   results")
    for name, result, holds in rows:
        print(f"{name:12}  {result}\n{'':12}  {holds}")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
