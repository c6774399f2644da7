"""Chapter 00 shows whatever machine the learner has: fast, slow, with a GPU, in a browser, or half measured."""

import contextlib
import dataclasses
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import lint_notebooks as lint  # noqa: E402

from dcserver.lab import answers, bench  # noqa: E402
from dcserver.lab.machine import Curve, MachineReport  # noqa: E402

CHAPTER = lint.Chapter(next((ROOT / "notebooks").glob("00_*.ipynb")))
ABOUT_MACHINES = [c for c in CHAPTER.code[1:] if "bench." in c.source]
NOTHING = Curve(np.array([], dtype=object), np.array([]), np.array([]))


def curve(what: str, sizes: Any, values: Any) -> Curve:
    sizes = np.array(sizes, dtype=float)
    return Curve(np.array([what] * len(sizes), dtype=object), sizes, np.broadcast_to(values, sizes.shape).astype(float))


def machine(flops: float, bandwidth: float, **parts: Any) -> MachineReport:
    """A machine of that peak and bandwidth, every call of which costs two microseconds."""
    n = 2.0 ** np.arange(5, 12)
    rates = 2 * n**3 / (2e-6 + 2 * n**3 / flops)
    return dataclasses.replace(
        bench.reference(), processor="test processor", cores=8.0, notes=(),
        matrix_products=curve("float32", n, rates), copying=curve("copy", [1e6, 1e9], bandwidth), **parts,
    )  # fmt: skip


MACHINES = {
    "a fast desktop with a GPU": machine(
        2e12, 80e9, gpu_name="Test GPU", gpu_memory_bytes=24e9, gpu_matrix_products=curve("fp32", [4096], 50e12),
        gpu_copying=curve("copy", [1e9], 9e11)),
    "a laptop whose GPU has no FP16 time": machine(3e11, 30e9, gpu_name="mps"),
    "a browser": machine(2e9, 4e9, disk=NOTHING, exchange=NOTHING),
    "stopped while copying": dataclasses.replace(
        machine(1e11, 2e10), notes=("stopped during copying; what was measured by then is kept",)),
    "stopped at once": dataclasses.replace(
        bench.reference(), matrix_products=NOTHING, copying=NOTHING, memory_latency=NOTHING, disk=NOTHING,
        exchange=NOTHING, notes=("stopped during matrix products; what was measured by then is kept",)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _a_new_session(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(ROOT / "notebooks")
    answers.forget()
    yield
    answers.forget()
    answers.chapter("")


@pytest.mark.parametrize("name", MACHINES)
def test_every_cell_about_machines_shows_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_measured", MACHINES[name])
    assert len(ABOUT_MACHINES) > 6
    for cell in ABOUT_MACHINES:
        namespace: dict[str, Any] = {"display": lambda *shown: None}
        with contextlib.redirect_stdout(io.StringIO()):
            lint.run_cell(CHAPTER.setup.source, namespace)
            shown = repr(lint.run_cell(cell.source, namespace))
        assert len(shown) > 40
        assert "nan" not in shown.split(), f"cell {cell.number} with {name}: {shown}"


def cell_of(words: str) -> Any:
    (cell,) = [c for c in CHAPTER.code if words in c.source]
    namespace: dict[str, Any] = {"display": lambda *shown: None}
    lint.run_cell(CHAPTER.setup.source, namespace)
    return lint.run_cell(cell.source, namespace), namespace


def test_the_first_model_is_right_about_a_machine_that_obeys_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_measured", machine(1e11, 2e10))
    table, _ = cell_of("without the row that we predict")
    last = [row[-1] for row in table.rows[1:]]
    assert last[0] == "gave the start"
    assert all(abs(float(cell.partition("(")[2].rstrip("%)"))) <= 4 for cell in last[1:]), last


def test_the_learners_own_gpu_can_be_chosen_for_the_roofline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_measured", MACHINES["a fast desktop with a GPU"])
    _, namespace = cell_of("roof_panel = ")
    panel = namespace["roof_panel"]
    assert "50 TFLOP/s" in panel.set(card="your Test GPU", n=8192, short=False)
    assert "This cannot be" in panel.set(short=True), "no FP16 rate was measured"


def test_a_machine_measured_later_shows_when_a_control_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_measured", None)
    _, namespace = cell_of("train_panel = ")
    panel = namespace["train_panel"]
    before = panel.set(count=1024)
    assert "Our machine alone" in before
    monkeypatch.setattr(bench, "_measured", machine(2e12, 80e9))
    assert panel.set(count=2048) != before
    assert "Your machine alone: 8,680 years" in panel.sentence.replace("*", ""), "5.48e23 operations at 2 TFLOP/s"
