"""Execute notebooks in place and save the same bytes each time.

python tools/notebooks.py [--check] [notebooks/06_*.ipynb ...]   (without names: all; --check saves nothing)

Left out are the clock (timings), chance (widget state and view ids) and the machine (versions). A widget keeps its
picture or its HTML, which is what readers without a kernel see.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
VIEW = "application/vnd.jupyter.widget-view+json"
STATIC = {"image/png", "image/svg+xml", "text/html"}


def executed(path: Path) -> str:
    """The text of the notebook after all its cells ran, top to bottom, in a fresh kernel."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        notebook, timeout=120, record_timing=False, store_widget_state=False, kernel_name="python3", coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()  # fmt: skip
    notebook.metadata.clear()
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if VIEW in data and STATIC & set(data):
                data.pop(VIEW)
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4, indent=1).rstrip("\n") + "\n"


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    paths = [Path(a).resolve() for a in arguments if a != "--check"] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    os.environ.setdefault("PYTHONHASHSEED", "0")  # sets print in the same order in each kernel
    changed = 0
    for path in paths:
        started = time.monotonic()
        before, after = path.read_text(encoding="utf-8"), executed(path)
        changed += after != before
        if after != before and not check:
            path.write_text(after, encoding="utf-8", newline="\n")
        state = "unchanged" if after == before else "differs" if check else "saved"
        print(f"{path.name:48} {time.monotonic() - started:6.1f} s  {state}", flush=True)
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
