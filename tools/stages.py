"""Run every stage of the tests, go on after a failure, and say how long each took.

Usage: python tools/stages.py [STAGE ...]   (without names: all)
"""

import importlib.util
import os
import subprocess
import sys
import time

PYTHON = sys.executable
HAS_XDIST = importlib.util.find_spec("xdist") is not None
TWO_CORES = ["-n", "2", "--dist", "loadscope"] if HAS_XDIST else []  # finer distributions tear notebooks apart
STAGES: dict[str, list[list[str]]] = {
    "lint": [[PYTHON, "-m", "ruff", "check", "."], [PYTHON, "-m", "ruff", "format", "--check", "."]],
    "types": [[PYTHON, "-m", "mypy"]],
    "units": [[PYTHON, "-m", "pytest", *TWO_CORES, "--ignore=tests/browser", "--ignore=tests/test_panels.py", "tests"]],
    "doctests": [[PYTHON, "-m", "pytest", "--doctest-modules", "dcserver"]],
    "notebooks": [[PYTHON, "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=60", *TWO_CORES,
                   "notebooks"]],
    "panels": [[PYTHON, "-m", "pytest", *TWO_CORES, "tests/test_panels.py"]],
    "browser": [[PYTHON, "-m", "pytest", "tests/browser"]],
}  # fmt: skip


def main(names: list[str]) -> int:
    unknown = [n for n in names if n not in STAGES]
    if unknown:
        print(f"no stage {', '.join(unknown)}; there are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    # One thread for linear algebra: two test processes with two threads each would fight for two cores.
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONHASHSEED="0")
    results = []
    for name in names or list(STAGES):
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        codes = [subprocess.run(command, env=environment).returncode for command in STAGES[name]]
        results.append((name, time.monotonic() - started, not any(codes)))
    print("\nstage        seconds  result")
    for name, seconds, good in results:
        print(f"{name:12} {seconds:7.0f}  {'passed' if good else 'FAILED'}")
    failed = [name for name, _, good in results if not good]
    print(
        f"total        {sum(s for _, s, _ in results):7.0f}  "
        + (f"FAILED: {', '.join(failed)}" if failed else "passed")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
