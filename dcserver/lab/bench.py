"""The learner's own machine, measured for real in under a minute, and put on the roofline beside the catalog.

``measure()`` measures; ``panel()`` is a button that does; ``latest()`` is what was measured in this session, or else
a reference measurement that came with the package, so that a chapter reads the same before anyone has pressed it.
Taught in chapter 00.
"""

import contextlib
import datetime
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from dcserver.checks import require_between, require_choice
from dcserver.lab import browser, cards, probes, probes_gpu
from dcserver.lab.forms import Card
from dcserver.lab.machine import Curve, MachineReport, load, parse

__all__ = ["PARTS", "BenchPanel", "Curve", "MachineReport", "latest", "load", "measure", "panel", "reference"]

PARTS = ("matrix products", "copying", "memory latency", "disk", "exchange", "gpu")
# Share of the time that each part may take.
_SHARES = {"matrix products": 0.3, "copying": 0.15, "memory latency": 0.2, "disk": 0.15, "exchange": 0.1, "gpu": 0.1}


@cache
def reference() -> MachineReport:
    """A measurement of ours that comes with the package; its date and processor stand in it."""
    file = resources.files("dcserver.catalog") / "data" / "bench_reference.json"
    return parse(file.read_text(encoding="utf-8"), "bench_reference.json")


_measured: MachineReport | None = None


def latest(*needed: str) -> MachineReport:
    """What was measured in this session; before that, the reference.

    Parameters
    ----------
    needed : parts (of ``PARTS``) without which a report is of no use: if one of them was not measured, or was
        stopped half way, the reference answers instead

    Raises
    ------
    ValueError
        For an unknown part.
    """
    require_choice(PARTS, needed=list(needed))
    if _measured and all(_whole(_measured, part) for part in needed):
        return _measured
    return reference()


def _whole(report: MachineReport, part: str) -> bool:
    stopped = any(note.startswith(f"stopped during {part};") for note in report.notes)
    field = {"gpu": "gpu_matrix_products"}.get(part, part.replace(" ", "_"))
    return len(getattr(report, field)) > 0 and not stopped


def _about() -> dict[str, Any]:
    """Processor, cores, memory and software; no name of the host, no path."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    try:
        memory = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        memory = float("nan")
    processor = platform.processor() or platform.machine()
    if browser.IN_BROWSER:  # which does not tell what it runs on
        processor = f"a browser's Python ({processor})"
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((s.split(":", 1)[1].strip() for s in lines if s.startswith("model name")), processor)
    blas = "unknown BLAS"
    with contextlib.suppress(Exception):
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    software = f"Python {platform.python_version()}, NumPy {np.__version__}, {blas}, {platform.system()}"
    return {"date": datetime.date.today().isoformat(), "processor": processor, "cores": float(cores),
            "memory_bytes": memory, "software": software}  # fmt: skip


def _probes(part: str, seconds: float, about: Mapping[str, Any]) -> Iterator[tuple[str, Iterator[probes.Point]]]:
    """The fields of the report that a part fills, each with its probe."""
    memory, cores = about["memory_bytes"], int(about["cores"])
    if part == "matrix products":
        yield "matrix_products", probes.matrix_products(seconds)
    elif part == "copying":
        yield "copying", probes.copy_bandwidth(seconds, memory, cores)
    elif part == "memory latency":
        yield "memory_latency", probes.memory_latency(seconds, memory)
    elif part == "disk":
        yield "disk", probes.disk(seconds)
    elif part == "exchange":
        yield "exchange", probes.exchange(seconds)
    else:
        torch, device = probes_gpu.torch_device()
        yield "gpu_matrix_products", probes_gpu.matrix_products(0.5 * seconds, torch, device)
        yield "gpu_copying", probes_gpu.copy_bandwidth(0.3 * seconds, torch, device)
        yield "gpu_clock_and_power", probes_gpu.clock_and_power(0.2 * seconds, torch, device)


def measure(
    seconds: float = 40.0,
    parts: Sequence[str] = PARTS,
    progress: Callable[[float, str], None] | None = None,
) -> MachineReport:
    """Measures this machine.

    Interrupting (the stop button, Ctrl-C) ends it early and keeps what is measured by then.

    Parameters
    ----------
    seconds : about how long it may take in all; the shorter, the smaller the largest sizes
    parts : which of ``PARTS`` to measure
    progress : called with the share that is done and a word on what is measured; a line of text if left out

    Returns
    -------
    MachineReport
        Also kept as ``latest()``.

    Raises
    ------
    ValueError
        For an unknown part, or less than half a second.
    """
    require_choice(PARTS, parts=list(parts))
    require_between(0.5, 600, seconds=seconds)
    tell = progress or _tell_in_text
    about = _about()
    notes = _others_at_work(about["cores"])
    points: dict[str, list[probes.Point]] = {}
    extra: dict[str, Any] = {}
    whole, done = sum(_SHARES[p] for p in parts), 0.0
    part = ""
    try:
        for part in parts:
            share = _SHARES[part] / whole
            tell(done, part)
            try:
                if part == "gpu":
                    extra = _gpu()
                for name, probe in _probes(part, share * seconds, about):
                    with contextlib.closing(probe):  # type: ignore[type-var]
                        for point in probe:
                            points.setdefault(name, []).append(point)
                            tell(done, f"{part}: {point[0]}")
            except probes.CannotMeasure as why:
                notes.append(f"{part}: {why}")
            except (OSError, MemoryError, RuntimeError, ImportError) as trouble:
                notes.append(f"{part}: {type(trouble).__name__} stopped it")
            done += share
    except KeyboardInterrupt:
        notes.append(f"stopped during {part}; what was measured by then is kept")
    tell(1.0, "done")
    return _keep(about, points, notes, extra)


def _others_at_work(cores: float) -> list[str]:
    """A note if other programs keep the processor busy: threads that wait for each other then wait for those too."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows, nor in a browser
        return []
    if load < max(0.5 * cores, 1.0):
        return []
    return [f"other programs were at work (a load of {load:.1f} on {cores:g} cores): what several threads do is slower "
            "than it could be; measure again when it is quiet"]  # fmt: skip


def _gpu() -> dict[str, Any]:
    torch, device = probes_gpu.torch_device()
    if device != "cuda":
        return {"gpu_name": device}
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {"gpu_name": properties.name, "gpu_memory_bytes": float(properties.total_memory)}


def _keep(about: Any, points: Mapping[str, list[probes.Point]], notes: list[str], extra: Any) -> MachineReport:
    global _measured
    blank = MachineReport("", "", 0, 0, "")
    curves: dict[str, Any] = {}
    for name, rows in points.items():
        what, size, value = zip(*rows, strict=True)
        unit = getattr(blank, name)
        curves[name] = Curve(np.array(what, dtype=object), np.array(size, dtype=float), np.array(value, dtype=float),
                             unit.size_unit, unit.unit)  # fmt: skip
    _measured = MachineReport(**about, **curves, **extra, notes=tuple(notes))
    return _measured


def _tell_in_text(share: float, what: str) -> None:
    if sys.stderr.isatty():  # a log or a notebook is not the place for a moving line
        bar = "#" * round(24 * share)
        sys.stderr.write(f"\r[{bar:<24}] {100 * share:3.0f} %  {what:<40}" + ("\n" if share >= 1 else ""))
        sys.stderr.flush()


class BenchPanel(Card):
    """A button that measures this machine, with a progress bar; until pressed it shows the reference."""

    def __init__(self, seconds: float = 40.0) -> None:
        self.seconds = seconds

    @property
    def title(self) -> str:
        """What is shown: the learner's machine, or that it is not measured yet."""
        if _measured:
            return "This machine"
        return "This machine is not measured yet. For comparison, a machine of ours:"

    def text(self) -> str:
        """What a terminal, a test or a reader without a kernel sees."""
        return f"{self.title}\n{latest()}"

    def html(self) -> str:
        """The same for a viewer of notebooks."""
        return f"<div>{cards.span(self.title)}</div>{latest()._repr_html_()}"

    def form(self) -> Any:
        """The live panel."""
        import ipywidgets as widgets

        from dcserver.lab.runs import launcher

        shown = widgets.HTML(self.html(), layout={"width": "auto"})

        def work(step: Callable[[float, str], None]) -> str:
            try:
                measure(self.seconds, progress=step)
            finally:
                shown.value = self.html()
            return "Measured. Run the cells below again: they now show your machine."

        return widgets.VBox([launcher("Measure this machine", browser.how_long(self.seconds), work), shown])


def panel(seconds: float = 40.0) -> BenchPanel:
    """A button that measures this machine; ``latest()`` then is its report."""
    return BenchPanel(seconds)
