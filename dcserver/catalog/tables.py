"""Reading facts from CSV, with checks that a learner's own file passes through too."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from dcserver.catalog import names
from dcserver.catalog.access import Codec, Radio
from dcserver.catalog.fields import CONFIDENCE, Noun
from dcserver.catalog.formats import NumberFormat
from dcserver.catalog.nouns import (
    Accelerator,
    Board,
    ConvNet,
    Cpu,
    Grid,
    Link,
    MemoryTier,
    Price,
    Server,
    Transformer,
)
from dcserver.catalog.stores import DataSet, FileSystem
from dcserver.catalog.uses import Application

T = TypeVar("T", bound=Noun)

TABLES: dict[str, type[Noun]] = {
    "accelerators": Accelerator,
    "cpus": Cpu,
    "links": Link,
    "servers": Server,
    "boards": Board,
    "transformers": Transformer,
    "convnets": ConvNet,
    "grids": Grid,
    "tiers": MemoryTier,
    "filesystems": FileSystem,
    "datasets": DataSet,
    "prices": Price,
    "formats": NumberFormat,
    "radios": Radio,
    "codecs": Codec,
    "applications": Application,
}


class Table(Mapping[str, T]):
    """Records by name, in the file's order; ``find`` is forgiving about spelling, ``[...]`` is not.

    Taught in chapter 01.
    """

    def __init__(self, kind: str, records: Iterable[T]) -> None:
        self.kind = kind
        self._records = {str(record.name): record for record in records}
        self._aliases = {name: name for name in self._records}
        for record in self._records.values():
            for alias in str(record.aliases).split(";"):
                if alias.strip():
                    self._aliases.setdefault(alias.strip(), str(record.name))

    def __getitem__(self, name: str) -> T:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def find(self, name: str) -> T:
        """The record of that name, alias, or unmistakable part of a name.

        Raises
        ------
        ValueError
            If nothing fits (the nearest names are listed) or several do.
        """
        exact = self._aliases.get(str(name))  # most often: the search for what else it might mean takes a millisecond
        return self._records[names.find(self.kind, name, self._aliases) if exact is None else exact]


def parse(kind: str, file: io.TextIOBase | Iterable[str], origin: str = "file") -> list[Any]:
    """Records of one table from CSV lines.

    Raises
    ------
    ValueError
        Naming the origin, line and column: an unknown column, a row without name or source, a confidence that is no
        level of ``nouns.CONFIDENCE``, text where a number belongs, or a negative number.
    """
    if kind not in TABLES:
        raise ValueError(f"table {kind!r} is not one of {', '.join(TABLES)}")
    noun = TABLES[kind]
    columns = {f.metadata["column"]: f for f in dataclasses.fields(noun) if "column" in f.metadata}
    reader = csv.DictReader(file)
    unknown = [c for c in reader.fieldnames or [] if c not in columns]
    if unknown:
        raise ValueError(f"{origin}: columns {unknown} are not known for {kind}; known are {', '.join(columns)}")
    records: list[Any] = []
    for row in reader:
        where = f"{origin}, line {reader.line_num}"
        if None in row:
            raise ValueError(f"{where}: {len(row[None])} more cells than the header has columns")
        for required in ("name", "source"):
            if not (row.get(required) or "").strip():
                raise ValueError(f"{where}: {required} is empty; every row needs a name and a source")
        cells = {column: (raw or "").strip() for column, raw in row.items()}
        if cells.get("confidence") and cells["confidence"] not in CONFIDENCE:
            raise ValueError(f"{where}: confidence={cells['confidence']!r} is not one of {', '.join(CONFIDENCE)}")
        values = {columns[c].name: _value(columns[c], raw, f"{where}: {c}") for c, raw in cells.items() if raw}
        record = noun(**values)
        if isinstance(record, Price) and record.date:  # the same offer stands there with several dates
            record = dataclasses.replace(record, name=f"{record.name} ({record.date})")
        if any(record.name == other.name for other in records):
            raise ValueError(f"{where}: {record.name!r} stands twice")
        records.append(record)
    if not records:
        raise ValueError(f"{origin}: no rows")
    return records


def _value(f: dataclasses.Field[Any], raw: str, where: str) -> Any:
    if "table" in f.metadata:
        try:
            return table(f.metadata["table"]).find(raw)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    return _number(raw, where) if isinstance(f.default, float) else raw


def _number(raw: str, where: str) -> float:
    try:
        value = float(raw)
    except ValueError:
        raise ValueError(f"{where}={raw!r} is not a number") from None
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"{where}={raw} must be finite and not negative; leave it empty if unknown")
    return value


@cache
def table(kind: str) -> Table[Any]:
    """The package's own table of a kind, read once.

    Taught in chapter 01.

    Parameters
    ----------
    kind : str
        "accelerators", "servers", "transformers", ...

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        For an unknown kind; it lists those that there are.
    """
    if kind not in TABLES:
        raise ValueError(f"table {kind!r} is not one of {', '.join(TABLES)}")
    path = resources.files("dcserver.catalog") / "data" / f"{kind}.csv"
    return Table(kind, parse(kind, io.StringIO(path.read_text(encoding="utf-8")), origin=f"{kind}.csv"))


def load(kind: str, path: str | Path) -> Table[Any]:
    """A table from a file of your own, in the format and with the checks of the package's tables.

    Parameters
    ----------
    kind : str
        Of table: "accelerators", "servers", ...
    path : str or Path
        The file.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        As ``parse`` does, naming the file and the line; also if the file is not text.

    Notes
    -----
    Taught in chapter 01.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return Table(kind, parse(kind, file, origin=str(path)))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8: save it as CSV (UTF-8)") from None


def stack(records: Iterable[T]) -> T:
    """One record whose numeric fields are arrays over the given records.

    ``formula(stack(devices), ...)`` then runs over all devices at once; ``stack(devices)[:, None]`` leaves an axis for
    a second quantity. A part that only some have (an accelerator of a server) is a record of unknowns (NaN) for the
    others. Taught in chapter 02.

    Parameters
    ----------
    records : iterable of records
        All of one kind.

    Returns
    -------
    record of that kind

    Raises
    ------
    ValueError
        For no records, or records of several kinds.
    """
    records = list(records)
    if not records:
        raise ValueError("stack needs at least one record")
    if len({type(r) for r in records}) > 1:
        raise ValueError(f"stack takes records of one kind, not {sorted({type(r).__name__ for r in records})}")
    values: dict[str, Any] = {}
    for f in dataclasses.fields(records[0]):
        column = [getattr(r, f.name) for r in records]
        parts = [v for v in column if isinstance(v, Noun)]
        if parts:
            values[f.name] = stack([type(parts[0])() if v is None else v for v in column])
        elif all(v is None for v in column):
            values[f.name] = None
        elif any(isinstance(v, str) for v in column):
            values[f.name] = np.array(column, dtype=object)
        else:
            values[f.name] = np.array(column, dtype=float)
    return type(records[0])(**values)


@cache
def constants(family: str) -> Mapping[str, float]:
    """The constants of a model family.

    Parameters
    ----------
    family : str
        Such as "gemm" or "collectives".

    Returns
    -------
    mapping of float
        By name; unit, meaning and bounds stand in ``constants/<family>.csv``.

    Raises
    ------
    ValueError
        For an unknown family; it lists those that there are.

    Notes
    -----
    Fitted by ``make calibrate`` on the published measurements only. Taught in chapter 07.
    """
    return MappingProxyType({row["name"]: float(row["value"]) for row in rows_of("constants", family)})


def rows_of(folder: str, name: str) -> list[dict[str, str]]:
    """Rows of ``catalog/<folder>/<name>.csv`` as text; ValueError lists what the folder has for an unknown name."""
    files = resources.files("dcserver.catalog") / folder
    known = sorted(p.name[:-4] for p in files.iterdir() if p.name.endswith(".csv"))
    if name not in known:
        raise ValueError(f"{folder} {name!r} is not one of {', '.join(known)}")
    return list(csv.DictReader(io.StringIO((files / f"{name}.csv").read_text(encoding="utf-8"))))


def measurements(name: str) -> list[dict[str, str]]:
    """Rows of a table of published measurements, as text.

    Parameters
    ----------
    name : str
        Of the table.

    Returns
    -------
    list of dict
        Column name to text; an empty cell was not stated.

    Raises
    ------
    ValueError
        For an unknown table; it lists those that there are.

    Notes
    -----
    Taught in chapter 00.
    """
    return rows_of("measurements", name)
