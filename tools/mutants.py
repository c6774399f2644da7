"""Mutation testing of the models: change one operator, number or argument at a time, and see whether a test minds.

Usage: python tools/mutants.py [PART ...] [--sample N] [--seed S] [--survivors] [--jobs J]

mutmut makes the mutants and runs, for each, the tests of its part that reach it. A part is a module or package of the
models, its tests are tests/test_PART*.py. Results go to build/mutants/PART.json, survivors as diffs to PART.diff.

What mutmut leaves alone: annotations, docstrings, module constants, and decorated functions (so properties too).
What is left out here, for no claim about the world can tell it from the original:
- words for people: the text of an error, strings with a space in them, whatever an f-string or ``__str__`` says;
- guards that change no result: ``np.errstate``, the ``strict`` of ``zip``, ``dtype=float`` (the same numbers, stored as integers).
"""

import argparse
import ast
import difflib
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "mutants"
PARTS = [
    "units", "checks", "compute", "precision", "memory", "storage", "queueing", "interconnect", "energy",
    "training", "inference", "sharing", "reliability", "cost", "edge", "future", "planning", "applications", "centre",
]  # fmt: skip
KILLED = ("killed", "timeout", "segfault")
GUARDS = ("strict=True", "dtype=float")
SETTINGS = """
[tool.mutmut]
source_paths = ["dcserver"]
only_mutate = {files}
also_copy = ["notebooks", "tools", "README.md"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:unraisableexception", "-p", "no:threadexception"]
pytest_add_cli_args_test_selection = {tests}
process_isolation = "forkserver"  # what a run of the tests left in a cache would hide a mutant
timeout_constant = 5.0
timeout_multiplier = 4.0
track_dependencies = false
use_git_change_detection = false

[tool.pytest.ini_options]
addopts = "-q"
markers = ["browser: needs Chromium"]
"""


@dataclass(frozen=True)
class Mutant:
    """One change: its name for mutmut, the file that it is in, the function before and after."""

    name: str
    file: str
    before: str
    after: str

    def diff(self) -> str:
        """The changed lines, under the function's name."""
        lines = list(difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=0))
        return "\n".join([f"# {self.name}", *(line for line in lines[2:] if not line.startswith("@@"))])


def files_of(part: str) -> list[str]:
    single = Path("dcserver") / f"{part}.py"
    if (ROOT / single).exists():
        return [str(single)]
    return [str(p.relative_to(ROOT)) for p in sorted((ROOT / "dcserver" / part).rglob("*.py"))]


def tests_of(part: str) -> list[str]:
    # The test with Dask starts processes of its own; they would not know which mutant is meant.
    return [str(p.relative_to(ROOT)) for p in sorted((ROOT / "tests").glob(f"test_{part}*.py")) if "dask" not in p.name]


def _changed(before: ast.AST, after: ast.AST, above: tuple[ast.AST, ...]) -> tuple[ast.AST, ...]:
    """Path from the function down to the smallest part that holds the whole change."""
    if type(before) is not type(after):
        return above
    children = [list(ast.iter_child_nodes(tree)) for tree in (before, after)]
    if len(children[0]) == len(children[1]):
        different = [pair for pair in zip(*children, strict=True) if ast.dump(pair[0]) != ast.dump(pair[1])]
        if len(different) == 1:
            return _changed(*different[0], (*above, different[0][0]))
    return above


def _called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _is_guard(keyword: ast.keyword) -> bool:
    return ast.unparse(keyword) in GUARDS


def is_out_of_sight(before: str, after: str) -> bool:
    """Whether no claim about the world can tell the two functions apart: the rules at the top."""
    if "__str__" in before.partition("(")[0] or "__repr__" in before.partition("(")[0]:
        return True
    trees = [ast.parse(text).body[0] for text in (before, after)]
    path = _changed(trees[0], trees[1], (trees[0],))
    if any(isinstance(node, (ast.Raise, ast.JoinedStr)) or _called(node) == "np.errstate" for node in path):
        return True
    if any(isinstance(node, ast.keyword) and _is_guard(node) for node in path):
        return True
    last = path[-1]
    if isinstance(last, ast.Call) and any(_is_guard(k) for k in last.keywords):  # dropped, or one of its neighbours
        return any(before.count(guard) > after.count(guard) for guard in GUARDS)
    return isinstance(last, ast.Constant) and isinstance(last.value, str) and " " in last.value


def mutants_of(part: str) -> Iterator[Mutant]:
    """All mutants of a part that count, in the order of the source."""
    from mutmut.mutation.file_mutation import (
        mutate_file_contents,  # only here and in `run`: the tests do without mutmut
    )
    from mutmut.utils.format_utils import get_mutant_name

    for file in files_of(part):
        text = (ROOT / file).read_text(encoding="utf-8")
        mutated = mutate_file_contents(file, text)
        functions = {
            node.name: node
            for node in ast.walk(ast.parse(mutated.code))
            if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name
        }
        lines = mutated.code.splitlines()

        def source(name: str, functions=functions, lines=lines) -> str:
            node = functions[name]
            body = [line[node.col_offset :] for line in lines[node.lineno - 1 : node.end_lineno]]
            return "\n".join(body).replace(name, name.partition("__mutmut_")[0].rpartition("ǁ")[2])

        for name in mutated.mutant_names:
            before, after = source(name.partition("__mutmut_")[0] + "__mutmut_orig"), source(name)
            if not is_out_of_sight(before, after):
                yield Mutant(get_mutant_name(Path(file), name), file, before, after)


def systematic_sample(mutants: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """Evenly spaced from a random start: every module and long function gets its share."""
    if not size or size >= len(mutants):
        return mutants
    step = len(mutants) / size
    start = random.Random(seed).uniform(0, step)
    return [mutants[int(start + i * step)] for i in range(size)]


def enter(part: str) -> None:
    """Make the part a directory of its own and go there: mutmut reads and writes below the working directory."""
    work = BUILD / part
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in ("dcserver", "tests", "notebooks", "tools", "README.md"):
        (work / name).symlink_to(ROOT / name)
    settings = SETTINGS.format(files=json.dumps(files_of(part)), tests=json.dumps(tests_of(part)))
    (work / "pyproject.toml").write_text(settings, encoding="utf-8")
    os.chdir(work)


def run(chosen: list[Mutant], jobs: int) -> dict[str, str]:
    """Run mutmut and return what became of each mutant."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code

    environment = dict(os.environ, OMP_NUM_THREADS="1", HYPOTHESIS_PROFILE="mutants", PYTHONHASHSEED="0")
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # pytest starts anew for each mutant
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs), *(m.name for m in chosen)]
    subprocess.run(command, env=environment, check=True)
    status: dict[str, str] = {}
    for file in {m.file for m in chosen}:
        data = SourceFileMutationData(path=file)
        data.load()
        status |= {name: status_by_exit_code[code] for name, code in data.exit_code_by_key.items()}
    return {m.name: status[m.name] for m in chosen}


def report(parts: list[str]) -> None:
    """One line a part: mutants, tested, killed, share killed with its standard error; the total weighs parts by size."""
    print("\npart          mutants  tested  killed  timeout  survived   share killed")
    weights, shares, errors = [], [], []
    for part in parts:
        result = json.loads((BUILD / f"{part}.json").read_text(encoding="utf-8"))
        states = list(result["status"].values())
        killed, timeouts = sum(s in KILLED for s in states), states.count("timeout")
        share = killed / len(states)
        # Laplace's rule keeps the error of 40 killed out of 40 above zero.
        smooth = (killed + 1) / (len(states) + 2)
        whole = result["mutants"] <= len(states)
        error = 0.0 if whole else math.sqrt(smooth * (1 - smooth) / len(states))
        weights.append(result["mutants"])
        shares.append(share)
        errors.append(error)
        print(
            f"{part:12} {result['mutants']:8} {len(states):7} {killed:7} {timeouts:8} {len(states) - killed:9}"
            f"   {share:6.1%} ± {error:.1%}"
        )
    total = sum(weights)
    share = sum(w * s for w, s in zip(weights, shares, strict=True)) / total
    error = math.sqrt(sum((w * e) ** 2 for w, e in zip(weights, errors, strict=True))) / total
    print(f"{'all':12} {total:8} {'':34}   {share:6.1%} ± {error:.1%}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; without: all")
    parser.add_argument("--sample", type=int, default=0, help="mutants tested of each part; 0: every one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--survivors", action="store_true", help="only those that survived last time")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tested at once")
    options = parser.parse_args(arguments)
    parts = options.parts or PARTS
    if unknown := [p for p in parts if p not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    for part in parts:
        file = BUILD / f"{part}.json"
        started = time.monotonic()
        enter(part)
        mutants = list(mutants_of(part))
        before: dict[str, str] = {}
        if options.survivors:
            before = json.loads(file.read_text(encoding="utf-8"))["status"]
            chosen = [m for m in mutants if m.name in before and before[m.name] not in KILLED]
        else:
            chosen = systematic_sample(mutants, options.sample, options.seed)
        print(f"\n== {part}: {len(chosen)} of {len(mutants)} mutants, seed {options.seed}", flush=True)
        status = before | (run(chosen, options.jobs) if chosen else {})
        file.write_text(json.dumps({"mutants": len(mutants), "status": status}, indent=1), encoding="utf-8")
        alive = [m.diff() for m in mutants if status.get(m.name, "killed") not in KILLED]
        (BUILD / f"{part}.diff").write_text("\n\n".join(alive) + "\n", encoding="utf-8")
        print(f"{part}: {len(alive)} of {len(status)} survived, {time.monotonic() - started:.0f} s", flush=True)
    report(parts)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
