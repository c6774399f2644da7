"""The course as a static site: a book, and beside it the same chapters alive in the browser, nothing installed.

Usage: python tools/site/build.py [--out FOLDER] [--book-only]

The browser's Python comes from its usual address, the only one outside the site that is ever asked. To have that at home too:

PYODIDE      a release of Pyodide, its archive or the folder with pyodide.mjs in it: carried inside the site
PYODIDE_URL  the address of the pyodide.mjs of a copy elsewhere
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat

import dcserver

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
NOTEBOOKS = ROOT / "notebooks"
# Wheels that the browser's Python does not bring along, and would ask a registry for: pure Python, carried inside the site.
PURE = ["simpy", "ipywidgets", "jupyterlab_widgets", "comm"]
# What dcserver itself does not require, and the lab draws with; and what single parts need, by the words that name them.
ALWAYS = ["dcserver", "ipywidgets", "matplotlib", "pillow"]
SOMETIMES = {"ciphers": "cryptography"}
# Of JupyterLab's extensions, whatever else is installed here.
EXTENSIONS = ["@jupyterlite/pyodide-kernel-extension", "@jupyter-widgets/jupyterlab-manager"]
IN_BROWSER = """import sys

if sys.platform == "emscripten":  # in a browser: the package and what it draws with
    import piplite

    await piplite.install({packages})

"""
PARTS = {
    "units": "Units and formatters", "catalog": "Facts, each with its source", "compute": "How fast is a processor?",
    "precision": "How few bits are enough?", "memory": "Will it fit?", "storage": "Can the disks keep up?",
    "queueing": "How long do requests wait?", "interconnect": "How do accelerators talk?",
    "energy": "Where do the watts go?", "training": "One training step", "inference": "Serving",
    "sharing": "Slices, schedulers, isolation", "reliability": "Failures and what follows", "cost": "Money",
    "edge": "Device, edge or cloud", "future": "Chiplets, pools, light, qubits", "applications": "What uses of the machine demand",
    "planning": "Every plan at once", "validation": "Models against measurements",
    "claims": "The documents' figures and their verdicts", "centre": "A data centre on paper",
}  # fmt: skip


def chapters() -> list[Path]:
    """The chapters, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def title_of(notebook: nbformat.NotebookNode) -> str:
    """The chapter's heading, without its mark."""
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")


def button(name: str) -> str:
    """A link to the same chapter alive."""
    return (
        f'<div class="dcserver-launch"><a href="../lite/lab/index.html?path={name}">Open this chapter live</a> '
        "<small>Python runs in your browser; nothing is installed, nothing leaves your machine. The first start takes a "
        "minute.</small></div>"
    )


def stage_book(source: Path) -> None:
    """Lay out what Sphinx reads: chapters with their buttons, glossary, scoreboard, and a page for each part's functions."""
    shutil.rmtree(source, ignore_errors=True)
    (source / "chapters").mkdir(parents=True)
    shutil.copytree(HERE / "_static", source / "_static")
    shutil.copy(HERE / "conf.py", source)
    rows = []
    for path in chapters():
        notebook = nbformat.read(path, as_version=4)
        rows.append((path.stem, title_of(notebook)))
        for cell in notebook.cells:
            if cell.cell_type == "markdown":  # JupyterLab's anchors keep capitals and join words with dashes
                cell.source = re.sub(r"\]\(#([^)]*)\)", lambda m: f"](#{m[1].lower()})", cell.source)
            for output in cell.get("outputs", []):
                # A picture's words are taken from its cell, not from where the notebook keeps them.
                if words := output.get("metadata", {}).get("image/png", {}).get("alt"):
                    cell.metadata["mystnb"] = {"image": {"alt": words}}
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(button(path.name), id="live"))
        nbformat.write(notebook, source / "chapters" / path.name)
    for page in ("glossary.md", "teachers_guide.md", "map.md"):
        if (NOTEBOOKS / page).exists():
            shutil.copy(NOTEBOOKS / page, source / "chapters" / page)
    shutil.copytree(NOTEBOOKS / "images", source / "images")
    pages = [p for p in ("map", "glossary", "teachers_guide") if (source / "chapters" / f"{p}.md").exists()]
    stage_api(source)
    (source / "scoreboard.md").write_text(scoreboard(), encoding="utf-8")
    (source / "index.md").write_text(index([stem for stem, _ in rows], pages), encoding="utf-8")


def index(stems: list[str], pages: list[str]) -> str:
    """The front page: the README's promise, and everything in order."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    opening = readme.split("## Start")[0].replace("notebooks/images/", "images/")
    first = (
        '<div class="dcserver-launch"><a href="chapters/00_start_here.html">Start reading</a> '
        '<a href="lite/lab/index.html?path=00_start_here.ipynb">Start in the browser, live</a></div>'
    )

    def tree(caption: str, names: list[str]) -> str:
        return "\n".join([f"```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n", *names, "```"])

    api = [f"api/{part}" for part in PARTS if part in dcserver.__all__]
    return "\n\n".join([
        opening.strip(), first,
        tree("Chapters", [f"chapters/{stem}" for stem in stems]),
        tree("Beside the chapters", [f"chapters/{page}" for page in pages] + ["scoreboard"]),
        tree("The package", api),
    ]) + "\n"  # fmt: skip


def scoreboard() -> str:
    """The README's section on how good the models are, as a page of its own."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## How good are the models?")[1].split("\n## ")[0]
    return "# How good are the models?" + re.sub(r"\]\((?!http)[^)]*\)", "](index.md)", section)


def stage_api(source: Path) -> None:
    """A page for each part of the package, from its docstrings."""
    (source / "api").mkdir()
    for part, title in PARTS.items():
        if part not in dcserver.__all__:
            continue
        name = f"dcserver.{part}"
        head = f"{name}: {title}"
        text = f"{head}\n{'=' * len(head)}\n\n.. automodule:: {name}\n   :members:\n   :imported-members:\n"
        (source / "api" / f"{part}.rst").write_text(text, encoding="utf-8")


def book(source: Path, out: Path) -> None:
    """Sphinx, warnings as errors."""
    stage_book(source)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(source.parent / "doctrees"),
               str(source), str(out)]  # fmt: skip
    subprocess.run(command, check=True)


def for_browser(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A chapter whose set-up cell first gets the package into the browser's Python."""
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    packages = ALWAYS + [package for word, package in SOMETIMES.items() if re.search(rf"\b{word}\b", setup.source)]
    setup.source = IN_BROWSER.format(packages=json.dumps(packages)) + setup.source
    return notebook


def stage_live(source: Path) -> None:
    """The chapters for the browser, and what they link."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for path in chapters():
        nbformat.write(for_browser(nbformat.read(path, as_version=4)), source / path.name)
    for page in NOTEBOOKS.glob("*.md"):
        if page.name != "AUTHORING.md":
            shutil.copy(page, source)


def carry_runtime(given: str, to: Path) -> None:
    """Lay a release of Pyodide where JupyterLite looks for one to carry inside the site; nothing if none is given."""
    shutil.rmtree(to, ignore_errors=True)
    if not given:
        return
    release = Path(given)
    if release.is_file():
        shutil.unpack_archive(release, to.parent / "unpacked", filter="data")
        release = next((to.parent / "unpacked").rglob("pyodide.mjs")).parent
    if not (release / "pyodide.mjs").exists():
        sys.exit(f"PYODIDE={given}: there is no pyodide.mjs in it")
    shutil.copytree(release, to, ignore=shutil.ignore_patterns("*.map", "*-tests.tar*"))
    shutil.rmtree(to.parent / "unpacked", ignore_errors=True)


def live(work: Path, out: Path) -> None:
    """JupyterLite with the package's wheel and the chapters inside."""
    stage_live(work / "live")
    wheels = work / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(wheels), str(ROOT)], check=True)
    subprocess.run([*pip, "download", "--no-deps", "-d", str(wheels), *PURE], check=True)
    extensions = [Path(sys.prefix, "share", "jupyter", "labextensions", name) for name in EXTENSIONS]
    settings = {"PipliteAddon": {"piplite_urls": [str(w) for w in sorted(wheels.glob("*.whl"))]},
                "LiteBuildConfig": {"federated_extensions": [str(e) for e in extensions],
                                    "ignore_sys_prefix": ["federated_extensions"]}}  # fmt: skip
    (work / "jupyter_lite_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    (work / "lite").mkdir(parents=True, exist_ok=True)
    kernel: dict[str, object] = {"disablePyPIFallback": True}
    if os.environ.get("PYODIDE_URL"):
        kernel["pyodideUrl"] = os.environ["PYODIDE_URL"]
    carry_runtime(os.environ.get("PYODIDE", ""), work / "lite" / "static" / "pyodide")
    page = {"jupyter-lite-schema-version": 0, "jupyter-config-data": {
        "appName": "dcserver", "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel}}}  # fmt: skip
    (work / "lite" / "jupyter-lite.json").write_text(json.dumps(page, indent=1), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)  # a build over an old one silently keeps the old runtime's address
    command = [sys.executable, "-m", "jupyter", "lite", "build", "--force", "--config", "jupyter_lite_config.json",
               "--contents", str(work / "live"), "--output-dir", str(out), "--lite-dir", str(work / "lite"),
               "--no-unused-shared-packages", "--apps", "lab", "--apps", "repl"]  # fmt: skip
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"jupyter lite build failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="where the site goes")
    parser.add_argument("--book-only", action="store_true", help="leave the live chapters out")
    options = parser.parse_args()
    out, work = options.out.resolve(), options.out.resolve().parent / "site-work"
    work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    book(work / "source", out)
    print(f"book: {time.monotonic() - started:.0f} s")
    if not options.book_only:
        started = time.monotonic()
        live(work, out / "lite")
        print(f"live chapters: {time.monotonic() - started:.0f} s")
    print(f"open {out / 'index.html'} (live chapters need a server: python -m http.server --directory {out})")


if __name__ == "__main__":
    main()
