"""A chapter as homework: release it without its solutions, grade what comes back, and see how the class did.

Usage
    python tools/assignment.py release 06 [--home FOLDER]    what learners get lies in FOLDER/release/06
    python tools/assignment.py grade 06 [--home FOLDER]      what they handed in lies in FOLDER/submitted/NAME/06
    python tools/assignment.py results [--home FOLDER]       points a learner and exercise; also in FOLDER/results.csv

The folder is build/assignments unless said otherwise. nbgrader does the work, offline: it runs each submission in a fresh
kernel, restores the graded cells that a learner may have changed, and writes feedback as pages into FOLDER/feedback.
"""

import argparse
import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import lint_notebooks as lint  # noqa: E402

# nbgrader calls its helpers by name: they lie beside this Python.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
POINTS = 1
SOLUTION = re.compile(r"\n*<details><summary>Solution</summary>.*?</details>", re.S)
CHECK = re.compile(r"lesson\.check\(\s*[\"']([^\"']+)")


def chapter_path(number: str) -> Path:
    """The notebook of a chapter; exits with the numbers there are."""
    found = sorted((ROOT / "notebooks").glob(f"{int(number):02}_*.ipynb")) if number.isdigit() else []
    if not found:
        there = ", ".join(p.name[:2] for p in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
        sys.exit(f"no chapter {number!r}; there are {there}")
    return found[0]


def graded(path: Path) -> nbformat.NotebookNode:
    """The chapter without its solutions, and behind each exercise a locked cell that is worth a point."""
    notebook = nbformat.read(path, as_version=4)
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = SOLUTION.sub("", cell.source)
            if not cell.source.strip():
                continue
        else:
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
        for name in CHECK.findall(cell.source) if cell.cell_type == "code" else []:
            test = nbformat.v4.new_code_cell(f'lesson.require("{name}")', id=f"grade-{len(cells)}")
            test.metadata["nbgrader"] = {"grade": True, "grade_id": name, "locked": True, "points": POINTS, "solution": False,
                                         "task": False, "schema_version": 3}  # fmt: skip
            cells.append(test)
    notebook.cells = cells
    return notebook


def nbgrader(home: Path, *arguments: str) -> None:
    """Run a command of nbgrader in the class's folder, a line for each submission; exits with its own words if it fails."""
    command = [sys.executable, "-m", "nbgrader", *arguments, f"--CourseDirectory.root={home}", "--log-level=INFO"]
    said = []
    with subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            said.append(line)
            if found := re.search(r"Converting notebook .*/([^/]+)/\d\d/", line):
                print(f"  {arguments[0]}: {found[1]}", flush=True)
    if process.returncode:
        sys.exit(f"nbgrader {arguments[0]} failed:\n{''.join(said)[-5000:]}")


def release(number: str, home: Path) -> Path:
    """Write the chapter's release and return its folder."""
    path = chapter_path(number)
    name = path.name[:2]
    source = home / "source" / name
    source.mkdir(parents=True, exist_ok=True)
    nbformat.write(graded(path), source / path.name)
    exercises = [e.name for e in lint.Chapter(path).exercises]
    nbgrader(home, "generate_assignment", name, "--force", "--GenerateAssignment.create_assignment=True")
    print(f"{len(exercises)} exercises ({', '.join(exercises)}): hand out {home / 'release' / name}")
    print(f"put what comes back into {home / 'submitted'}/NAME/{name}/{path.name}")
    return home / "release" / name


def grade(number: str, home: Path) -> None:
    """Run and grade every submission of a chapter, and write feedback."""
    name = chapter_path(number).name[:2]
    learners = sorted(p.parent.name for p in (home / "submitted").glob(f"*/{name}"))
    if not learners:
        sys.exit(f"nothing was handed in: {home / 'submitted'}/NAME/{name} is empty")
    print(f"{len(learners)} handed in: {', '.join(learners)}", flush=True)
    nbgrader(home, "autograde", name, "--force", "--create", "--ExecutePreprocessor.timeout=120")
    nbgrader(home, "generate_feedback", name, "--force")
    results(home)


def results(home: Path) -> list[dict[str, str]]:
    """Points of each learner, exercise by exercise: printed, and kept as results.csv."""
    from nbgrader.api import Gradebook, MissingEntry

    rows = []
    with Gradebook(f"sqlite:///{home / 'gradebook.db'}") as book:
        for student in book.students:
            for assignment in book.assignments:
                try:
                    submission = book.find_submission(assignment.name, student.id)
                except MissingEntry:
                    continue
                cells = {g.cell.name: float(g.score) for n in submission.notebooks for g in n.grades}
                rows.append({"learner": student.id, "chapter": assignment.name, "points": f"{submission.score:g}",
                             "of": f"{submission.max_score:g}",
                             "solved": " ".join(sorted(k for k, v in cells.items() if v)),
                             "open": " ".join(sorted(k for k, v in cells.items() if not v))})  # fmt: skip
    if not rows:
        sys.exit("nothing has been graded yet")
    with open(home / "results.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(f"{row['learner']:20} chapter {row['chapter']}: {row['points']} of {row['of']}"
              + (f"   open: {row['open']}" if row["open"] else ""))  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["release", "grade", "results"])
    parser.add_argument("chapter", nargs="?", default="", help="a chapter's number, such as 06")
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "assignments", help="the class's folder")
    options = parser.parse_args()
    home = options.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    if options.what == "results":
        results(home)
    elif not options.chapter:
        parser.error(f"{options.what} needs a chapter's number")
    else:
        {"release": release, "grade": grade}[options.what](options.chapter, home)


if __name__ == "__main__":
    main()
