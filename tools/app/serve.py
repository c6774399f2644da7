"""The experiments alone, without code, as an app in the browser: a page a chapter, served by Voila on this machine.

Usage: python tools/app/serve.py [--stage FOLDER] [VOILA OPTIONS ...]   (--stage only lays out the pages and stops)
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Path(__file__).resolve().parent  # holds voila/templates/dcserver
EXPERIMENT = re.compile(r"lab\.(Panel|Run)\(")


def page(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """A chapter's title, and below its headings the experiments alone; None for a chapter without any."""
    code = [c for c in notebook.cells if c.cell_type == "code"]
    title = notebook.cells[0].source.splitlines()[0]
    cells = [nbformat.v4.new_markdown_cell(f"{title}\n\n[All chapters](../../)", id="title"), code[0]]
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = re.findall(r"^## .+$", cell.source, flags=re.M)
            heading = found[-1] if found else heading
        elif EXPERIMENT.search(cell.source):
            if heading:
                cells.append(nbformat.v4.new_markdown_cell(heading, id=f"h-{cell.id}"))
                heading = ""
            cells.append(cell)
    if len(cells) == 2:
        return None
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def stage(folder: Path) -> list[Path]:
    """Write a page for each chapter that has experiments."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = []
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        pared = page(nbformat.read(path, as_version=4))
        if pared is not None:  # the list of pages shows their files' names
            title = pared.cells[0].source.splitlines()[0].lstrip("# ").rstrip("?").replace("/", " ")
            made.append(folder / f"{path.name[:2]} {title.partition('. ')[2]}.ipynb")
            nbformat.write(pared, made[-1])
    return made


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--stage"]:
        print(f"{len(stage(Path(arguments[1])))} pages in {arguments[1]}")
        return 0
    folder = ROOT / "build" / "app"
    pages = stage(folder)
    print(f"{len(pages)} chapters; Ctrl-C ends the app", flush=True)
    command = [sys.executable, "-m", "voila", str(folder), "--template=dcserver", "--classic_tree=True",
               "--show_tracebacks=True", *arguments]  # fmt: skip
    paths = os.pathsep.join(filter(None, [str(TEMPLATES), os.environ.get("JUPYTER_PATH", "")]))
    environment = dict(os.environ, JUPYTER_PATH=paths)
    if os.name == "posix":  # Voila takes this process's place, so that whoever ends the app ends Voila
        os.execve(sys.executable, command, environment)
    return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
