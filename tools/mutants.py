"""Mutation testing of the models: change one operator, number or argument at a time, and see whether a test minds.

Usage: python tools/mutants.py [PART ...] [--sample N] [--seed S] [--survivors] [--jobs J]

mutmut makes the mutants and runs, for each, the tests of its part that reach it. A part is a module or package of the
models, its tests are tests/test_PART*.py, and tests/test_promises.py for all. Results go to build/mutants/PART.json, survivors as diffs to PART.diff.

A test only sees a mutant in what it computes itself: what its file computes while it is read is the original.

What mutmut leaves alone: annotations, docstrings, module constants, and decorated functions (so properties too).
What is left out here, for no claim about the world can tell it from the original:
- words for people: the text of an error, strings with a space in them, whatever an f-string or ``__str__`` says;
- guards that change no result: ``np.errstate``, the ``strict`` of ``zip``, and ``dtype=float`` or ``bool`` of
  ``np.asarray``: the same numbers, stored otherwise.
"""

import argparse
import ast
import difflib
import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "mutants"
PARTS = [
    "units", "checks", "compute", "precision", "memory", "storage", "queueing", "interconnect", "energy",
    "training", "inference", "sharing", "reliability", "cost", "edge", "future", "planning", "applications", "centre",
]  # fmt: skip
NOT_RUN = "not run"
KILLED = ("killed", "timeout", "segfault")
GUARDS = {"zip": ("strict=True",), "np.asarray": ("dtype=float", "dtype=bool")}
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
    """The part's own tests, those of pictures that hold its numbers, and what every docstring promises."""
    names = [part, "promises", *(("anatomy", "graphs") if part == "interconnect" else ())]
    found = [p for name in names for p in sorted((ROOT / "tests").glob(f"test_{name}*.py"))]
    # The test with Dask starts processes of its own; they would not know which mutant is meant.
    return [str(p.relative_to(ROOT)) for p in found if "dask" not in p.name]


@cache
def _nodes(text: str) -> list[tuple[int, int, ast.AST]]:
    """Where each part of a function's syntax begins and ends [byte], and the part."""
    starts = [0, *itertools.accumulate(len(line) for line in text.encode().splitlines(keepends=True))]
    return [
        (starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset, node)
        for node in ast.walk(ast.parse(text))
        if hasattr(node, "lineno")
    ]


def is_out_of_sight(before: str, after: str) -> bool:
    """Whether no claim about the world can tell the two functions apart: the rules at the top."""
    if before.startswith(("def __str__", "def __repr__")):
        return True
    old, new = before.encode(), after.encode()
    begin = len(os.path.commonprefix([old, new]))
    tail = len(os.path.commonprefix([old[begin:][::-1], new[begin:][::-1]]))
    around = [node for first, last, node in _nodes(before) if first <= begin and len(old) - tail <= last]
    called = {ast.unparse(node.func) for node in around if isinstance(node, ast.Call)}
    guards = {guard for name in called for guard in GUARDS.get(name, ())}
    return "np.errstate" in called or any(
        isinstance(node, (ast.Raise, ast.JoinedStr))
        or (isinstance(node, ast.keyword) and ast.unparse(node) in guards)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value)
        for node in around
    )


def systematic_sample(everything: list, size: int, seed: int) -> list:
    """Evenly spaced from a random start: every module and long function gets its share."""
    if not size or size >= len(everything):
        return everything
    step = len(everything) / size
    start = random.Random(seed).uniform(0, step)
    return [everything[int(start + i * step)] for i in range(size)]


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


def write_mutants(part: str, size: int, seed: int, killed: set[str]) -> tuple[list[Mutant], int]:
    """Write the sampled mutants where mutmut looks for its own; return those that count, and of how many.

    mutmut alone would make all of them first, which takes it longer than to run a sample.
    """
    from mutmut.mutation.data import MutantLineSpans, SourceFileMutationData  # not above: the tests do without mutmut
    from mutmut.mutation.file_mutation import combine_mutations_to_source, create_mutations
    from mutmut.utils.format_utils import get_mutant_name

    made = {file: create_mutations(file, Path(file).read_text(encoding="utf-8")) for file in files_of(part)}
    everything = [
        (file, m) for file, (_, found, *_) in made.items() for m in found if m.contained_by_top_level_function
    ]
    sample = systematic_sample(everything, size, seed)
    mutants = []
    for file, (module, _, *ignored) in made.items():
        mutated = combine_mutations_to_source(module, [m for f, m in sample if f == file], *ignored)
        target = Path("mutants") / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(mutated.code, encoding="utf-8")
        MutantLineSpans(path=file, span_by_function_name=mutated.line_span_by_function_name).save()
        functions = {n.name: n for n in ast.walk(ast.parse(mutated.code)) if isinstance(n, ast.FunctionDef)}
        lines = mutated.code.splitlines()
        data = SourceFileMutationData(path=file)
        for name in mutated.mutant_names:
            texts = []
            plain = name.partition("__mutmut_")[0]
            for version in (f"{plain}__mutmut_orig", name):
                node = functions[version]
                body = [line[node.col_offset :] for line in lines[node.lineno - 1 : node.end_lineno]]
                texts.append("\n".join(body).replace(version, plain.rpartition("ǁ")[2].removeprefix("x_")))
            if not is_out_of_sight(*texts):
                mutant = Mutant(get_mutant_name(Path(file), name), file, *texts)
                data.exit_code_by_key[mutant.name] = 1 if mutant.name in killed else None
                mutants.append(mutant)
        data.save()
    return mutants, round(len(everything) * len(mutants) / len(sample))


def run(mutants: list[Mutant], jobs: int) -> dict[str, str]:
    """Run mutmut and return what became of each mutant."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code

    environment = dict(os.environ, OMP_NUM_THREADS="1", HYPOTHESIS_PROFILE="mutants", PYTHONHASHSEED="0")
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # pytest starts anew for each mutant
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs)], env=environment, check=True)
    status: dict[str, str] = {}
    for file in {m.file for m in mutants}:
        data = SourceFileMutationData(path=file)
        data.load()
        # mutmut takes 255 for a timeout; it is a worker that ended before its tests began, which says nothing.
        status |= {
            n: NOT_RUN if code == 255 else status_by_exit_code[code] for n, code in data.exit_code_by_key.items()
        }
    return status


def report(parts: list[str]) -> None:
    """One line a part: mutants, tested, killed, share killed with its standard error; the total weighs parts by size."""
    print("\npart          mutants  not run  tested  killed  timeout  survived   share killed")
    weights, shares, errors = [], [], []
    for part in parts:
        result = json.loads((BUILD / f"{part}.json").read_text(encoding="utf-8"))
        found = list(result["status"].values())
        states = [s for s in found if s != NOT_RUN]
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
            f"{part:12} {result['mutants']:8} {len(found) - len(states):8} {len(states):7} {killed:7} {timeouts:8} {len(states) - killed:9}"
            f"   {share:6.1%} ± {error:.1%}"
        )
    total = sum(weights)
    share = sum(w * s for w, s in zip(weights, shares, strict=True)) / total
    error = math.sqrt(sum((w * e) ** 2 for w, e in zip(weights, errors, strict=True))) / total
    print(f"{'all':12} {total:8} {'':43}   {share:6.1%} ± {error:.1%}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; without: all")
    parser.add_argument("--sample", type=int, default=0, help="mutants drawn of each part; 0: every one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--survivors", action="store_true", help="only those that survived last time; for new tests of the same code"
    )
    parser.add_argument("--jobs", type=int, default=1, help="mutants tested at once")
    options = parser.parse_args(arguments)
    parts = options.parts or PARTS
    if unknown := [p for p in parts if p not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    for part in parts:
        file = BUILD / f"{part}.json"
        started = time.monotonic()
        size, seed, killed = options.sample, options.seed, set()
        if options.survivors:
            if not file.exists():
                parser.error(f"{part} was not run yet: leave --survivors out once")
            last = json.loads(file.read_text(encoding="utf-8"))
            size, seed = last["sample"], last["seed"]
            killed = {name for name, status in last["status"].items() if status in KILLED}
        enter(part)
        mutants, total = write_mutants(part, size, seed, killed)
        print(f"\n== {part}: {len(mutants)} of {total} mutants, seed {seed}", flush=True)
        status = run(mutants, options.jobs)
        result = {"mutants": total, "sample": size, "seed": seed, "status": status}
        file.write_text(json.dumps(result, indent=1), encoding="utf-8")
        alive = [m.diff() for m in mutants if status[m.name] not in (*KILLED, NOT_RUN)]
        (BUILD / f"{part}.diff").write_text("\n\n".join(alive) + "\n", encoding="utf-8")
        print(f"{part}: {len(alive)} of {len(status)} survived, {time.monotonic() - started:.0f} s", flush=True)
    report(parts)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
