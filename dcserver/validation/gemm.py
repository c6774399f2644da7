"""Matrix products by shape, best achievable products, and memory streams, against ``compute``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcserver import catalog, compute
from dcserver.catalog import Accelerator, dtype_bytes
from dcserver.compute.hardware import gemm_constants
from dcserver.validation.devices import device, number_format, stated
from dcserver.validation.score import Comparison, Constants, Row

# Streams: share of the traffic that is read, and loads a thread. Stencils find their neighbours in the cache.
STREAMS: dict[str, tuple[float, int]] = {
    "stream_init": (0.0, 1),
    "stream_read": (1.0, 1),
    "stream_copy": (0.5, 1),
    "stream_scale": (0.5, 1),
    "stream_add": (2 / 3, 2),
    "stream_triad": (2 / 3, 2),
    "stream_3pt": (0.5, 1),
    "stream_5pt": (0.5, 1),
}
# A copy by library call: read and write, large vector loads.
COPIES = {"device_local_copy"}


@dataclass
class Entries:
    """Comparable values gathered row by row; one call of the model answers all that share a number format."""

    rows: list[int] = field(default_factory=list)
    quantities: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)
    devices: list[Accelerator] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: int, quantity: str, group: str, family: str, measured: float, on: Accelerator,
            **inputs: Any) -> None:  # fmt: skip
        """One value measured, with what the model needs to predict it."""
        self.rows.append(row)
        self.quantities.append(quantity)
        self.groups.append(group)
        self.families.append(family)
        self.measured.append(measured)
        self.devices.append(on)
        self.inputs.append(inputs)

    def comparison(
        self, uncovered: dict[int, str], batches: Sequence[tuple[np.ndarray, Callable[[Constants | None], Any]]]
    ) -> Comparison:
        """The comparison whose prediction puts the batches' answers in place."""

        def predict(constants: Constants | None) -> np.ndarray:
            out = np.full(len(self.rows), np.nan)
            for index, model in batches:
                out[index] = model(constants)
            return out

        return Comparison(self.rows, self.quantities, self.groups, np.array(self.measured), predict, uncovered,
                          self.families)  # fmt: skip

    def split(self, key: Callable[[dict[str, Any]], Any]) -> list[tuple[Any, np.ndarray]]:
        """Indices of the entries that share a key."""
        keys = [key(inputs) for inputs in self.inputs]
        return [(k, np.flatnonzero([other == k for other in keys])) for k in dict.fromkeys(keys)]

    def column(self, index: np.ndarray, name: str) -> np.ndarray:
        """One input of the chosen entries."""
        return np.array([self.inputs[i][name] for i in index], dtype=float)


def compare(rows: Sequence[Row]) -> Comparison:
    """Pair each row's FLOP/s or bandwidth with the model's function for it."""
    entries, uncovered = Entries(), {}
    for i, row in enumerate(rows):
        reason = _read(entries, i, row)
        if reason:
            uncovered[i] = reason
    batches = []
    for (what, dtype), index in entries.split(lambda inputs: (inputs["what"], inputs["dtype"])):
        model = _matmul if what == "matmul" else _stream
        batches.append((index, model(entries, index, dtype)))
    return entries.comparison(uncovered, batches)


def _read(entries: Entries, i: int, row: Row) -> str:
    """Adds what a row measured, or says why it cannot be compared."""
    kind = (row.get("kind") or "").strip()
    if kind in STREAMS or kind in COPIES:
        return _read_stream(entries, i, row, kind)
    shape = [stated(row, name) for name in ("m", "n", "k")]
    if np.isnan(shape).any():
        return f"kind {kind!r} is not a stream that the model knows and states no shape m, n, k"
    groups = stated(row, "groups")
    sizes = [*shape, 1.0 if np.isnan(groups) else groups]
    if any(s != np.floor(s) or s > 1e9 for s in sizes):
        return "the shape is not in whole numbers up to a thousand million"
    dtype = number_format(row.get("dtype") or "", "bf16")
    if dtype is None:
        return f"number format {row.get('dtype')!r} is not known"
    on = device(row, dtype)
    if isinstance(on, str):
        return on
    flops, bandwidth = stated(row, "achieved_flops"), stated(row, "achieved_bandwidth_Bps")
    if np.isnan(flops) and np.isnan(bandwidth):
        return "neither FLOP/s nor bandwidth was measured"
    waited = kind == "matmul_vs_shape" or "launch overhead" in (row.get("notes") or "").replace("-", " ")
    m, n, k, batch = sizes
    least = batch * (m * k + k * n + m * n) * dtype_bytes(dtype)
    name = (row.get("accelerator") or "").strip()
    entries.add(i, "achieved_flops" if not np.isnan(flops) else "achieved_bandwidth_Bps", f"{kind} {name}",
                "gemm:matmul", flops if not np.isnan(flops) else bandwidth, on, what="matmul", dtype=dtype, m=m, n=n,
                k=k, batch=batch, waited=waited,
                work=2 * m * n * k * batch if not np.isnan(flops) else least)  # fmt: skip
    return ""


def _read_stream(entries: Entries, i: int, row: Row, kind: str) -> str:
    dtype = number_format(row.get("dtype") or "", "fp64")
    if dtype is None:
        return f"number format {row.get('dtype')!r} is not known"
    on = device(row, dtype, matrix=False)
    if isinstance(on, str):
        return on
    bandwidth = stated(row, "achieved_bandwidth_Bps")
    if np.isnan(bandwidth):
        return "no bandwidth was measured"
    read_share, loads = STREAMS.get(kind, (0.5, 1))
    name = (row.get("accelerator") or "").strip()
    entries.add(i, "achieved_bandwidth_Bps", f"{'copy' if kind in COPIES else 'stream'} {name}", "gemm:stream",
                bandwidth, on, what="stream", dtype="", read_share=read_share, loads=loads, copied=kind in COPIES,
                load_bytes=16.0 if kind in COPIES else dtype_bytes(dtype))  # fmt: skip
    return ""


def _matmul(entries: Entries, index: np.ndarray, dtype: str) -> Callable[[Constants | None], Any]:
    stack = catalog.stack([entries.devices[i] for i in index])
    m, n, k, batch, waited, work = (entries.column(index, x) for x in ("m", "n", "k", "batch", "waited", "work"))

    def model(constants: Constants | None) -> Any:
        c = gemm_constants(constants)
        launch = np.where(waited > 0, c["call_latency"], c["launch_latency"])
        return work / compute.matmul(stack, m, n, k, dtype, batch, launch, constants=c).time

    return model


def _stream(entries: Entries, index: np.ndarray, dtype: str) -> Callable[[Constants | None], Any]:
    stack = catalog.stack([entries.devices[i] for i in index])
    share, loads, size, copied = (entries.column(index, x) for x in ("read_share", "loads", "load_bytes", "copied"))

    def model(constants: Constants | None) -> Any:
        c = gemm_constants(constants)
        bandwidth = compute.memory_bandwidth(stack, share, size, loads, constants=c)
        return bandwidth * np.where(copied > 0, c["copy_share"], 1.0)

    return model
