"""What the package offers says what it is: parameters, result, errors, fields, and the chapter that teaches it.

The book's reference is made of these docstrings, and `help()` shows nothing else.
"""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dcserver

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
CHAPTERS = {path.name[:2] for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")}
HEAD = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.M)
OF_ITEMS = ("Parameters", "Attributes", "Returns", "Yields", "Raises")


def offered() -> dict[str, Any]:
    """Every public function and class, by the name under which the notebooks call it."""
    found = {}
    for part in dcserver.__all__:
        if part == "lab":  # its few names are described in AUTHORING.md
            continue
        module = importlib.import_module(f"dcserver.{part}")
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", None) == module.__name__ and n[0] != "_"]
        for name in getattr(module, "__all__", own):
            thing = getattr(module, name)
            thing = inspect.unwrap(thing) if callable(thing) else thing
            if inspect.isfunction(thing) or inspect.isclass(thing):
                found[f"{part}.{name}"] = thing
    return found


def sections(doc: str) -> dict[str, str]:
    """The sections of a docstring by name; what stands before the first is ""."""
    heads = list(HEAD.finditer(doc))
    ends = [h.start() for h in heads[1:]] + [len(doc)] * bool(heads)
    found = {"": doc[: heads[0].start()] if heads else doc}
    return found | {h[1]: doc[h.end() : end].strip("\n") for h, end in zip(heads, ends, strict=True)}


def items(section: str) -> dict[str, str]:
    """Name to description of each item; names that share a line share its words ("m, n : int")."""
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", section.strip("\n")):
        head, _, text = block.partition("\n")
        names, colon, kind = head.partition(" :")
        for name in names.split(","):
            found[name.strip().lstrip("*")] = f"{kind if colon else ''} {text}".strip()
    return found


def stray(section: str) -> list[str]:
    """Paragraphs that a section of items cannot hold: Sphinx would take them for a further item."""
    blocks = [block.split("\n") for block in re.split(r"\n\s*\n", section.strip("\n"))]
    return [
        lines[0] for lines in blocks[1:] if not lines[0].startswith(" ") and not "".join(lines[1:2]).startswith(" ")
    ]


def raises(function: Callable[..., Any]) -> bool:
    """Whether the function itself refuses something, or asks `checks` to."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if (
            isinstance(node, ast.Raise)
            and isinstance(node.exc, ast.Call)
            and getattr(node.exc.func, "id", "") == "ValueError"
        ):
            return True
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").startswith("require_"):
            return True
    return False


def lacks(thing: Any, beside: dict[str, Any]) -> list[str]:
    """What a docstring fails to say; ``beside`` are the other names of the same part."""
    doc = inspect.getdoc(thing) if thing.__doc__ else ""
    if not doc or doc.startswith(f"{thing.__name__}("):  # what dataclass writes by itself
        return ["a docstring"]
    found = sections(doc)
    summary = found[""].split("\n\n")[0].strip()
    missing = [] if summary.endswith((".", ". ")) else ["a summary that ends as a sentence"]
    if bars := re.search(r"\|\S", re.sub(r"``.+?``", "", doc, flags=re.S)):  # the book takes |x| for a name to replace
        missing.append(f"backticks around {bars[0]!r}")
    taught = re.search(r"[Tt]aught\s+in\s+chapters?\s+(\d\d(?:(?:,|\s+and|\s+to)\s+\d\d)*)", doc)
    chapters = set(re.findall(r"\d\d", taught[1])) if taught else set()
    if not chapters or not chapters <= CHAPTERS:
        missing.append("the chapter that teaches it")
    for name in OF_ITEMS:
        missing += [f"a section Notes for {line!r}, which stands under {name}" for line in stray(found.get(name, ""))]
    if inspect.isclass(thing):
        return missing + lacking_fields(thing, found)
    wanted = list(inspect.signature(thing).parameters)
    if like := re.search(r"as ``(\w+)``", summary):  # a sibling's parameters and result, said once
        assert like[1] in beside, like[1]
        return missing + [f"parameter {n}" for n in wanted if n not in inspect.signature(beside[like[1]]).parameters]
    described = items(found.get("Parameters", "")) if wanted else {}
    missing += [f"parameter {name}" for name in wanted if not described.get(name)]
    missing += [f"no parameter {name}: there is none" for name in described if name not in wanted]
    if not ("Returns" in found or "Yields" in found):
        missing.append("what it returns")
    if raises(thing) and "Raises" not in found and "ValueError" not in doc:
        missing.append("what it raises")
    return missing


def lacking_fields(record: type, found: dict[str, str]) -> list[str]:
    """Fields of a dataclass, its own ones, that no section names."""
    if not dataclasses.is_dataclass(record):
        return []
    named = items(found.get("Attributes", "")) | items(found.get("Parameters", ""))
    own = [f.name for f in dataclasses.fields(record) if f.name in record.__dict__.get("__annotations__", {})]
    return [f"field {name}" for name in own if not named.get(name)]


OFFERED = offered()


@pytest.mark.parametrize("part", sorted({name.split(".")[0] for name in OFFERED}))
def test_docstrings_say_what_a_reader_needs(part: str) -> None:
    beside = {name.split(".")[1]: thing for name, thing in OFFERED.items() if name.startswith(f"{part}.")}
    found = {name: lacks(thing, beside) for name, thing in beside.items()}
    assert not {f"{part}.{name}": missing for name, missing in found.items() if missing}


def test_the_package_offers_hundreds_of_names_and_the_test_sees_them() -> None:
    assert len(OFFERED) > 400
    assert {"compute.roofline", "catalog.constants", "units.format_time", "queueing.utilization"} <= set(OFFERED)


def test_the_test_sees_what_is_missing() -> None:
    def bad(speed: float, load: float) -> float:
        """Time of a journey.

        Parameters
        ----------
        speed : float, m/s
            Of the train.

        Raises
        ------
        ValueError
            For no speed.

        Assumes no wind. Taught in chapter 99.
        """
        return load / speed

    assert lacks(bad, {}) == [
        "the chapter that teaches it",
        "a section Notes for 'Assumes no wind. Taught in chapter 99.', which stands under Raises",
        "parameter load",
        "what it returns",
    ]

    @dataclasses.dataclass(frozen=True)
    class Trip:
        """A journey. Taught in chapter 01.

        Attributes
        ----------
        time : s
            From door to door.
        """

        time: float
        cost: float

    assert lacks(Trip, {}) == ["field cost"]
