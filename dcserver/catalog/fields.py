"""What a record of the catalog is made of: fields that carry their column, unit and meaning, and who says so.

Taught in chapter 01.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np

from dcserver.checks import require_choice
from dcserver.units import format_bytes, format_money, format_si

R = TypeVar("R")
DTYPES = ("fp64", "fp64_tensor", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8")
# Bytes of one number in each format as it lies in memory; TF32 is FP32 in memory, cut inside the tensor core.
DTYPE_BYTES = {"fp64": 8, "fp64_tensor": 8, "fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1,
               "fp4": 0.5, "int4": 0.5}  # fmt: skip
CONFIDENCE = {
    "read": "the source's own text, or a faithful copy of it, was seen at source_address with the figure in it",
    "excerpt": "seen only in a search's extract or in somebody else's report of the source",
    "recalled": "from memory, not looked up: to be checked",
    "derived": "follows from other rows, a definition, a count or a model of the package; the source says which",
}


def dtype_bytes(dtype: str) -> float:
    """Bytes of one number of a format, as it lies in memory.

    Parameters
    ----------
    dtype : str
        Number format.

    Returns
    -------
    float, B

    Raises
    ------
    ValueError
        For an unknown format; it lists those that there are.

    Notes
    -----
    Taught in chapter 03.

    >>> dtype_bytes("bf16"), dtype_bytes("fp8")
    (2, 1)
    """
    require_choice(DTYPE_BYTES, dtype=dtype)
    return DTYPE_BYTES[dtype]


def _shown(value: Any, unit: str) -> str:
    if np.ndim(value):
        return f"{np.shape(value)} values"
    if not isinstance(value, int | float | np.number):
        return str(value)
    value = float(value)
    if unit in ("1", "year", "token"):
        return f"{value:g}" if unit == "year" else f"{value:,.10g}"
    if unit.startswith("USD"):
        return format_money(value) + unit.removeprefix("USD")
    return format_bytes(value) if unit == "B" else format_si(value, unit)


def fact(column: str, unit: str, meaning: str, default: Any = float("nan")) -> Any:
    """A field read from a CSV column: its unit and meaning travel with it."""
    return field(default=default, metadata={"column": column, "unit": unit, "meaning": meaning})


def text(column: str, meaning: str) -> Any:
    """A text field read from a CSV column."""
    return fact(column, "", meaning, default="")


def named(column: str, table: str, meaning: str) -> Any:
    """A field that a CSV column gives by the name of a record in another table."""
    return field(default=None, metadata={"column": column, "table": table, "meaning": meaning})


def described(record: type[R]) -> type[R]:
    """The same class, its docstring completed by the units and meanings that its own fields carry.

    Written once, beside the column: the checks of a learner's file, ``help()`` and the book then say the same.
    """
    own = [f for f in dataclasses.fields(record) if f.name in record.__annotations__ and "meaning" in f.metadata]  # type: ignore[arg-type]
    if own and record.__doc__:  # python -OO has none
        lines = [f"{f.name}{_of_unit(f.metadata.get('unit', ''))}\n    {f.metadata['meaning']}" for f in own]
        record.__doc__ = "\n".join([inspect.cleandoc(record.__doc__), "", "Attributes", "-" * 10, *lines])
    return record


def _of_unit(unit: str) -> str:
    return f" : {unit}" if unit else ""


@described
@dataclass(frozen=True, kw_only=True)
class Noun:
    """A record with a name and a source; indexing reaches into every field that holds an array.

    Taught in chapter 01.
    """

    name: str = text("name", "what the catalog calls it")
    aliases: str = text("aliases", "other names, separated by ;")
    notes: str = text("notes", "what to know about the figures")
    recalled_fields: str = text("recalled_fields", "columns not read at the source, to be checked")
    confidence: str = text("confidence", "how far the figures were followed to their source: a level of CONFIDENCE")
    source: str = text("source", "who says so")
    source_address: str = text("source_address", "where they say so")

    def __getitem__(self, index: Any) -> Self:
        changes: dict[str, Any] = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray | Noun):
                changes[f.name] = value[index]
        return dataclasses.replace(self, **changes)

    def __str__(self) -> str:
        return str(self.name)

    def describe(self) -> str:
        """The known facts as a short table, each with its unit, and who says so."""
        about = [f.name for f in dataclasses.fields(Noun)]
        facts = [f for f in dataclasses.fields(self) if f.name not in about]
        lines = [str(self)]
        for f in [*facts, *dataclasses.fields(Noun)[1:]]:
            value = getattr(self, f.name)
            scalar = np.ndim(value) == 0 and not isinstance(value, Noun)
            if scalar and (value is None or value == "" or value != value):
                continue
            lines.append(f"  {f.name.replace('_', ' '):<24} {_shown(value, f.metadata.get('unit', ''))}")
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook shows for a record at the end of a cell."""
        printer.text("..." if cycle else self.describe())
