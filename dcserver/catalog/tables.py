"""Reading facts from CSV, with checks that a learner's own file passes through too."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from dcserver.catalog.nouns import Accelerator, ConvNet, Cpu, Grid, Link, MemoryTier, Noun, Price, Server, Transformer

T = TypeVar("T", bound=Noun)

TABLES: dict[str, type[Noun]] = {
    "accelerators": Accelerator,
    "cpus": Cpu,
    "links": Link,
    "servers": Server,
    "transformers": Transformer,
    "convnets": ConvNet,
    "grids": Grid,
    "tiers": MemoryTier,
    "prices": Price,
}
_VENDORS = {"nvidia", "amd", "intel", "google", "aws", "huawei", "geforce", "tesla", "instinct", "qualcomm"}


def _words(name: str) -> list[str]:
    return [w for w in re.split(r"[^a-z0-9+]+", name.lower()) if w and w not in _VENDORS]


def _compact(name: str) -> str:
    return "".join(_words(name))


class Table(Mapping[str, T]):
    """Records by name, in the file's order; ``find`` is forgiving about spelling, ``[...]`` is not."""

    def __init__(self, kind: str, records: Iterable[T]) -> None:
        self.kind = kind
        self._records = {str(record.name): record for record in records}
        self._aliases = {_compact(str(name)): str(name) for name in self._records}
        for record in self._records.values():
            for alias in str(record.aliases).split(";"):
                if alias.strip():
                    self._aliases.setdefault(_compact(alias), str(record.name))

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
        compact = _compact(str(name))
        if compact in self._aliases:
            return self._records[self._aliases[compact]]
        words = _words(str(name))
        fits = [known for known in self._records
                if words and all(any(k.startswith(w) for k in _words(known)) for w in words)]  # fmt: skip
        if len(fits) == 1:
            return self._records[fits[0]]
        singular = self.kind.rstrip("s")
        if fits:
            raise ValueError(f"{singular} {name!r} could be {', '.join(fits)}: say which")
        by_compact = {_compact(known): known for known in self._records}
        nearest = difflib.get_close_matches(compact, by_compact, n=3, cutoff=0.4)
        hint = ", ".join(by_compact[n] for n in nearest) or ", ".join(list(self._records)[:5])
        raise ValueError(f"unknown {singular} {name!r}; the nearest are {hint}")


def parse(kind: str, file: io.TextIOBase | Iterable[str], origin: str = "file") -> list[Any]:
    """Records of one table from CSV lines.

    Raises
    ------
    ValueError
        Naming the origin, line and column: an unknown column, a row without name or source,
        text where a number belongs, or a negative number.
    """
    if kind not in TABLES:
        raise ValueError(f"table {kind!r} is not one of {', '.join(TABLES)}")
    noun = TABLES[kind]
    columns = {f.metadata["column"]: f for f in dataclasses.fields(noun) if "column" in f.metadata}
    reader = csv.DictReader(file)
    unknown = [c for c in reader.fieldnames or [] if c not in columns]
    if unknown:
        raise ValueError(f"{origin}: columns {unknown} are not known for {kind}; known are {', '.join(columns)}")
    records = []
    for row in reader:
        where = f"{origin}, line {reader.line_num}"
        for required in ("name", "source"):
            if not (row.get(required) or "").strip():
                raise ValueError(f"{where}: {required} is empty; every row needs a name and a source")
        values: dict[str, Any] = {}
        for column, raw in row.items():
            raw = (raw or "").strip()
            f = columns[column]
            if not raw:
                continue
            if "table" in f.metadata:
                values[f.name] = table(f.metadata["table"]).find(raw)
            elif isinstance(f.default, float):
                values[f.name] = _number(raw, f"{where}: {column}")
            else:
                values[f.name] = raw
        records.append(noun(**values))
    if not records:
        raise ValueError(f"{origin}: no rows")
    names = [r.name for r in records]
    for name in names:
        if names.count(name) > 1 and kind != "prices":
            raise ValueError(f"{origin}: {name!r} stands twice")
    return records


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
    """The package's own table of a kind, read once."""
    if kind not in TABLES:
        raise ValueError(f"table {kind!r} is not one of {', '.join(TABLES)}")
    path = resources.files("dcserver.catalog") / "data" / f"{kind}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        records = parse(kind, file, origin=f"{kind}.csv")
    if kind == "prices":  # the same offer stands there with several dates
        return Table(kind, [dataclasses.replace(r, name=f"{r.name} ({r.date})") if r.date else r for r in records])
    return Table(kind, records)


def load(kind: str, path: str | Path) -> Table[Any]:
    """A table from a file of your own, in the format and with the checks of the package's tables."""
    with open(path, encoding="utf-8", newline="") as file:
        return Table(kind, parse(kind, file, origin=str(path)))


def stack(records: Iterable[T]) -> T:
    """One record whose numeric fields are arrays over the given records.

    ``formula(stack(devices), ...)`` then runs over all devices at once;
    ``stack(devices)[:, None]`` leaves an axis for a second quantity.
    """
    records = list(records)
    if not records:
        raise ValueError("stack needs at least one record")
    if len({type(r) for r in records}) > 1:
        raise ValueError(f"stack takes records of one kind, not {sorted({type(r).__name__ for r in records})}")
    values: dict[str, Any] = {}
    for f in dataclasses.fields(records[0]):
        column = [getattr(r, f.name) for r in records]
        if all(isinstance(v, Noun) for v in column):
            values[f.name] = stack(column)
        elif isinstance(column[0], str) or any(isinstance(v, str) for v in column):
            values[f.name] = np.array(column, dtype=object)
        elif any(v is None or isinstance(v, Noun) for v in column):
            raise ValueError(f"stack: {f.name} is missing in some of the records")
        else:
            values[f.name] = np.array(column, dtype=float)
    return type(records[0])(**values)


@cache
def constants(family: str) -> Mapping[str, float]:
    """The constants of a model family by name; unit, meaning and bounds stand in ``constants/<family>.csv``."""
    return MappingProxyType({row["name"]: float(row["value"]) for row in rows_of("constants", family)})


def rows_of(folder: str, name: str) -> list[dict[str, str]]:
    """Rows of ``catalog/<folder>/<name>.csv`` as text; ValueError lists what the folder has for an unknown name."""
    files = resources.files("dcserver.catalog") / folder
    known = sorted(p.name[:-4] for p in files.iterdir() if p.name.endswith(".csv"))
    if name not in known:
        raise ValueError(f"{folder} {name!r} is not one of {', '.join(known)}")
    with (files / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def measurements(name: str) -> list[dict[str, str]]:
    """Rows of a table of published measurements, as text; an empty cell was not stated."""
    return rows_of("measurements", name)
