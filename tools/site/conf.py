"""Sphinx's settings for the book; tools/site/build.py lays out the sources beside it."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import dcserver

project = "dcserver"
author = "The dcserver authors"
copyright = "the dcserver authors; text and pictures CC BY 4.0, code BSD-3-Clause"
release = version = dcserver.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "sphinx_book_theme"
html_title = "dcserver: how deep-learning servers work"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "search_bar_text": "Search the course",
    "home_page_in_toc": True,
    # One place to search, beside the chapters; a switch for the night over each page.
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "article_header_end": ["theme-switcher", "toggle-secondary-sidebar"],
}
html_copy_source = False
html_show_sourcelink = False
language = "en"

# The chapters are committed as executed; the book shows what stands in them.
nb_execution_mode = "off"
# No script from elsewhere: pictures stand in place of widgets, and formulas are plain text.
nb_ipywidgets_js = {}
nb_mime_priority_overrides = [("html", "image/png", 5), ("html", "text/html", 3)]
nb_merge_streams = True
myst_enable_extensions = ["html_image", "attrs_block"]
myst_heading_anchors = 4
suppress_warnings = [
    "mystnb.unknown_mime_type",  # the live view of a widget, for which the picture stands
    "ref.python",  # a type such as "sequence" is also a field of several records: a word here, no reference
]

autodoc_typehints = "none"  # the docstrings say types, shapes and units
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
toc_object_entries_show_parents = "hide"  # the list beside the page is narrow


def _shorter(app: Any, what: str, name: str, thing: Any, options: Any, signature: str, returns: str) -> Any:
    """No wall of defaults: the fields of a large record stand below, each with its unit."""
    if what == "class" and dataclasses.is_dataclass(thing) and len(dataclasses.fields(thing)) > 8:
        return "(...)", returns
    return None


def _one_name_a_field(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Fields that share a line, "low, high : 1", each on a line of its own: napoleon takes all but one for the type."""
    if "Attributes" not in lines:
        return
    found, start = [], lines.index("Attributes")
    for at, line in enumerate(lines):
        if at > start + 1 and re.fullmatch(r"\w+(, \*?\w+)+( : .*)?", line):
            names, colon, kind = line.partition(" : ")
            words = []
            for below in lines[at + 1 :]:
                if not below.startswith(" "):
                    break
                words.append(below)
            fields = [f"{each}{colon}{kind}" for each in names.split(", ")]
            for each in fields[:-1]:
                found += [each, *words]
            found.append(fields[-1])
        else:
            found.append(line)
    lines[:] = found


def _linked(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """ "Taught in chapter 06" leads there."""
    pages = {path.stem[:2]: path.stem for path in (Path(app.srcdir) / "chapters").glob("[0-9][0-9]_*.ipynb")}

    def link(found: re.Match[str]) -> str:
        return re.sub(
            r"\d\d", lambda n: f":doc:`{n[0]} </chapters/{pages[n[0]]}>`" if n[0] in pages else n[0], found[0]
        )

    lines[:] = [re.sub(r"\bchapters? \d\d(?:(?:,| and) \d\d)*", link, line) for line in lines]


def setup(app: Any) -> None:
    """What Sphinx calls once it knows the settings."""
    app.connect("autodoc-process-signature", _shorter)
    app.connect("autodoc-process-docstring", _one_name_a_field, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", _linked, priority=900)  # after napoleon
