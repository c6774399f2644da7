"""What one machine did on one day: curves of what was measured, a table to read, a record for the formulas, a file."""

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dcserver.catalog import Accelerator
from dcserver.lab import cards
from dcserver.lab.quantities import show
from dcserver.units import format_bytes, format_flops, format_rate, format_time

_FORMAT = "dcserver bench 1"


@dataclass(frozen=True)
class Curve:
    """Points of one measurement, as arrays of equal length: what was measured, at which size, what came out."""

    what: np.ndarray
    size: np.ndarray
    value: np.ndarray
    size_unit: str = ""
    unit: str = ""

    def __len__(self) -> int:
        return len(self.value)

    def of(self, what: str) -> tuple[np.ndarray, np.ndarray]:
        """Sizes and values of one kind; empty arrays if it was not measured."""
        chosen = self.what == what
        return self.size[chosen], self.value[chosen]

    def best(self, what: str = "", smallest: bool = False) -> float:
        """The largest (or smallest) value of one kind, or of all; NaN if there is none."""
        values = self.of(what)[1] if what else self.value
        return float(values.min() if smallest else values.max()) if len(values) else float("nan")


def _no_points(size_unit: str, unit: str) -> Any:
    empty = np.array([])
    return field(default_factory=lambda: Curve(np.array([], dtype=object), empty, empty, size_unit, unit))


@dataclass(frozen=True)
class MachineReport:
    """What one machine did on one day. Every rate is a best of several runs; a part not measured is empty."""

    date: str
    processor: str
    cores: float
    memory_bytes: float
    software: str
    matrix_products: Curve = _no_points("", "FLOP/s")
    copying: Curve = _no_points("B", "B/s")
    memory_latency: Curve = _no_points("B", "s")
    disk: Curve = _no_points("B", "B/s")
    exchange: Curve = _no_points("B", "s")
    gpu_name: str = ""
    gpu_memory_bytes: float = float("nan")
    gpu_matrix_products: Curve = _no_points("", "FLOP/s")
    gpu_copying: Curve = _no_points("B", "B/s")
    gpu_clock_and_power: Curve = _no_points("", "")
    notes: tuple[str, ...] = ()

    @property
    def memory_bandwidth(self) -> float:
        """Bytes a second, read plus written, beyond the caches: the best copy of the largest size; NaN if unknown."""
        if not len(self.copying):
            return float("nan")
        return float(self.copying.value[self.copying.size == self.copying.size.max()].max())

    def rows(self) -> list[tuple[str, str, str]]:
        """The report in lines: what, how much, and what it means."""
        cores = f"{self.cores:g} core{'' if self.cores == 1 else 's'}"
        lines = [("machine", self.processor, f"{cores}, {format_bytes(self.memory_bytes, binary=True)}")]
        for dtype in dict.fromkeys(self.matrix_products.what):
            sizes, rates = self.matrix_products.of(dtype)
            at = f"best of {len(sizes)} sizes, at {sizes[rates.argmax()]:g} x {sizes[rates.argmax()]:g}"
            lines.append((f"matrix product, {dtype}", format_flops(rates.max()), at))
        for what in dict.fromkeys(self.copying.what):
            sizes, rates = self.copying.of(what)
            cached = f", {format_rate(rates.max())} at best in a cache" if len(sizes) > 1 else ""
            lines.append((what, format_rate(rates[-1]), f"at {format_bytes(sizes[-1], binary=True)}{cached}"))
        if len(self.memory_latency):
            sizes, times = self.memory_latency.size, self.memory_latency.value
            lines.append(("memory latency", format_time(times[-1]), f"at {format_bytes(sizes[-1], binary=True)}, "
                          "above the first cache"))  # fmt: skip
        for what, size, rate in zip(self.disk.what, self.disk.size, self.disk.value, strict=True):
            lines.append((f"disk, {what}", format_rate(rate), f"in requests of {format_bytes(size, binary=True)}"))
        for what in dict.fromkeys(self.exchange.what):
            sizes, times = self.exchange.of(what)
            lines.append((f"to another process, {what}", format_time(times[0]),
                          f"for {sizes[0]:g} B; {format_rate(sizes[-1] / times[-1])} at {format_bytes(sizes[-1], binary=True)}"))  # fmt: skip
        for dtype in dict.fromkeys(self.gpu_matrix_products.what):
            lines.append((f"GPU, {dtype}", format_flops(self.gpu_matrix_products.best(dtype)), self.gpu_name))
        for what in dict.fromkeys(self.gpu_copying.what):
            lines.append((f"GPU, {what}", format_rate(self.gpu_copying.best(what)), self.gpu_name))
        for what, value in zip(self.gpu_clock_and_power.what, self.gpu_clock_and_power.value, strict=True):
            lines.append((f"GPU, {what}", show(value, "W" if "power" in what else "Hz"), self.gpu_name))
        return lines

    def __str__(self) -> str:
        table = cards.text_table(["what", "measured", ""], [list(row) for row in self.rows()])
        return "\n".join([f"Measured on {self.date} with {self.software}", table, *(f"- {n}" for n in self.notes)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        table = cards.table(["what", "measured", ""], [list(row) for row in self.rows()])
        return cards.card(
            "note", f"Measured on {self.date} with {self.software}", table + cards.paragraphs(*self.notes)
        )

    def as_accelerator(self, name: str = "This machine") -> Accelerator:
        """The processor as a record of the catalog, so that every formula of the package takes it.

        Its peaks are the rates reached here, not a data sheet's; memory bandwidth counts bytes read and written.
        """
        return Accelerator(
            name=name,
            kind="cpu",
            peak_fp32_flops=self.matrix_products.best("float32"),
            peak_fp64_flops=self.matrix_products.best("float64"),
            memory_bytes=self.memory_bytes,
            memory_bandwidth=self.memory_bandwidth,
            compute_units=self.cores,
            notes=f"{self.processor}; rates reached by NumPy, not peaks of a data sheet",
            source=f"measured here on {self.date}",
        )

    def gpu_as_accelerator(self) -> Accelerator:
        """The GPU as a record of the catalog; ValueError if none was measured."""
        if not self.gpu_name:
            raise ValueError("no GPU was measured: " + (" ".join(self.notes) or "the part was left out"))
        return Accelerator(
            name=f"{self.gpu_name} (measured)",
            kind="gpu",
            peak_fp32_flops=self.gpu_matrix_products.best("fp32"),
            peak_fp16_flops=self.gpu_matrix_products.best("fp16"),
            peak_bf16_flops=self.gpu_matrix_products.best("bf16"),
            memory_bytes=self.gpu_memory_bytes,
            memory_bandwidth=self.gpu_copying.best("copy"),
            host_bus_bandwidth=self.gpu_copying.best("host to GPU"),
            notes="rates reached by PyTorch, not peaks of a data sheet",
            source=f"measured here on {self.date}",
        )

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Writes the report into a JSON file, whole or not at all; FileExistsError if it stands, unless told."""
        path = Path(path)
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path.name} stands already: save under another name, or say overwrite=True")
        data: dict[str, Any] = {"format": _FORMAT}
        for name, value in vars(self).items():
            if isinstance(value, Curve):
                value = {"what": value.what.tolist(), "size": value.size.tolist(), "value": value.value.tolist()}
            data[name] = None if isinstance(value, float) and np.isnan(value) else value
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        os.replace(temporary, path)


def load(path: str | os.PathLike[str]) -> MachineReport:
    """A report that ``MachineReport.save`` wrote; ValueError if the file is none."""
    return parse(Path(path).read_text(encoding="utf-8"), Path(path).name)


def parse(text: str, name: str) -> MachineReport:
    """A report from the text of a file of that name; ValueError if it is none."""
    try:
        data = json.loads(text)
        if data.pop("format") != _FORMAT:
            raise ValueError(name)
        values: dict[str, Any] = {}
        blank = MachineReport("", "", 0, 0, "")
        for key, value in data.items():
            here = getattr(blank, key)
            if isinstance(here, Curve):
                value = Curve(np.array(value["what"], dtype=object), np.array(value["size"], dtype=float),
                              np.array(value["value"], dtype=float), here.size_unit, here.unit)  # fmt: skip
                if not len(value.what) == len(value.size) == len(value.value):
                    raise ValueError(key)
            elif isinstance(here, tuple):
                value = tuple(value)
            values[key] = float("nan") if value is None else value
        return MachineReport(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{name} is not a report that bench wrote") from None
