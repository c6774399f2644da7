"""Measuring the machine at hand: physics that any machine obeys, interruption, and the report's way out and back."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcserver.lab import bench, probes
from dcserver.units import KiB, MiB


@pytest.fixture(autouse=True)
def _nothing_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "_measured", None)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One short measurement of everything, with what it told on the way and how long it took."""
    here = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("bench"))
    told: list[tuple[float, str]] = []
    start = time.perf_counter()
    report = bench.measure(3.0, progress=lambda share, what: told.append((share, what)))
    took = time.perf_counter() - start
    left = list(Path.cwd().iterdir())
    os.chdir(here)
    return report, told, took, left


def test_a_measurement_fills_every_part_and_leaves_nothing_behind(quick: Any) -> None:
    report, told, took, left = quick
    for part in (report.matrix_products, report.copying, report.memory_latency, report.disk, report.exchange):
        assert len(part) > 1
        assert len(part.what) == len(part.size) == len(part.value)
        assert (part.value >= 0).all()
        assert np.isfinite(part.value).all()
    assert left == []
    # Three seconds were asked; set-up of large working sets on a busy machine may add to it, but not without end.
    assert took < 300
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert told[-1] == (1.0, "done")


def test_every_machine_obeys(quick: Any) -> None:
    report = quick[0]
    sizes, rates = report.matrix_products.of("float32")
    assert rates[sizes > 32].max() > rates[sizes == 32] / 2, "larger products amortise the call"
    assert report.matrix_products.best("float32") > 3 * report.matrix_products.best("float16"), "NumPy has no fast FP16"
    assert 1e8 < report.matrix_products.best("float32") < 1e14
    assert 1e8 < report.memory_bandwidth < 1e13
    # A ring in memory is slower to walk than one in the second cache; light needs 0.1 ns for 3 cm.
    assert report.memory_latency.value[-1] > report.memory_latency.value[0]
    assert 5e-9 < report.memory_latency.value[-1] < 1e-5
    for what in ("pipe", "socket"):
        sizes, times = report.exchange.of(what)
        assert 1e-7 < times[0] < 1e-2
        assert times[-1] > 5 * times[0], "sixteen megabytes take longer than 64 bytes"


def test_a_report_prints_as_a_short_table(quick: Any) -> None:
    text = str(quick[0])
    assert len(text.splitlines()) < 30
    for wanted in ("float32", "GFLOP/s", "copy", "memory latency", "disk", "socket", "Measured on 20"):
        assert wanted in text
    assert "<table>" in quick[0]._repr_html_()


def test_a_report_names_no_host_and_no_path(quick: Any, tmp_path: Path) -> None:
    import getpass
    import socket

    quick[0].save(tmp_path / "r.json")
    for text in (str(quick[0]), (tmp_path / "r.json").read_text()):
        assert str(Path.home()) not in text
        assert socket.gethostname() not in text
        assert "/tmp" not in text
    assert getpass.getuser() != ""


def test_the_machine_stands_on_the_roofline_beside_the_catalog(quick: Any) -> None:
    from dcserver import catalog, compute

    machine = quick[0].as_accelerator()
    assert machine.peak("fp32") == quick[0].matrix_products.best("float32")
    assert machine.memory_bandwidth == quick[0].memory_bandwidth
    both = catalog.stack([machine, catalog.accelerator("H100 SXM")])
    reached = compute.roofline(both, intensity=0.25, dtype="fp32")
    assert reached[0] == pytest.approx(0.25 * machine.memory_bandwidth)
    assert reached[1] > reached[0]


def test_a_report_goes_through_a_file_and_back(quick: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    quick[0].save(path)
    again = bench.load(path)
    assert str(again) == str(quick[0])
    assert np.isnan(again.gpu_memory_bytes) == np.isnan(quick[0].gpu_memory_bytes)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        quick[0].save(path)
    quick[0].save(path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("change", [{"format": "x"}, {"what": 3}, {"disk": {"what": ["a"], "size": [], "value": []}}])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, change: dict) -> None:
    bench.reference().save(tmp_path / "r.json")
    data = json.loads((tmp_path / "r.json").read_text())
    (tmp_path / "r.json").write_text(json.dumps({**data, **change}))
    with pytest.raises(ValueError, match="r.json is not a report"):
        bench.load(tmp_path / "r.json")


@pytest.mark.parametrize("after", [1, 3])
def test_interrupting_keeps_what_is_measured(after: int) -> None:
    points = []

    def stop(share: float, what: str) -> None:
        points.append(":" in what)
        if points[-1] and sum(points) == after:
            raise KeyboardInterrupt

    report = bench.measure(2.0, ["matrix products", "copying"], progress=stop)
    assert len(report.matrix_products) == after
    assert len(report.copying) == 0
    assert report.notes == ("stopped during matrix products; what was measured by then is kept",)
    assert bench.latest() is report


def test_interrupting_the_disk_part_removes_its_file(tmp_path: Path) -> None:
    reading = probes.disk(2.0, tmp_path)
    next(reading)
    assert len(list(tmp_path.iterdir())) == 1
    reading.close()
    assert list(tmp_path.iterdir()) == []


def test_interrupting_the_exchange_ends_the_other_process() -> None:
    with probes._through_a_pipe() as (source, target):
        target.write((3).to_bytes(8, "little") + b"abc")
        target.flush()
        assert source.read(3) == b"abc"
    with probes._child("pipe", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.poll() is None
    assert child.poll() is not None


def test_a_folder_that_cannot_be_written_falls_back_or_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    assert next(probes.disk(0.3, tmp_path / "absent"))[0] == "write"
    monkeypatch.setattr(probes.tempfile, "gettempdir", lambda: str(tmp_path / "absent"))
    with pytest.raises(probes.CannotMeasure, match="no folder"):
        next(probes.disk(0.3, tmp_path / "absent"))
    report = bench.measure(0.5, ["disk"], progress=lambda *_: None)
    assert len(report.disk) > 1, "the working folder can be written"


def test_where_reads_cannot_go_around_the_cache_the_point_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delattr(os, "O_DIRECT", raising=False)
    assert {what for what, _, _ in probes.disk(0.5, tmp_path)} == {"write", "read, page cache"}


def test_a_browsers_python_says_what_it_cannot_measure(monkeypatch: Any) -> None:
    monkeypatch.setattr(probes, "IN_BROWSER", True)
    monkeypatch.setattr(bench.probes_gpu, "IN_BROWSER", True)
    report = bench.measure(0.5, ["copying", "disk", "exchange", "gpu"], progress=lambda *_: None)
    assert len(report.copying) > 0
    assert not any("threads" in what for what in report.copying.what)
    assert len(report.disk) == len(report.exchange) == 0
    assert report.notes[0] == "disk: a browser's Python has no disk"
    assert report.notes[1] == "exchange: a browser's Python has no second process"
    assert str(report)
    with pytest.raises(ValueError, match="no GPU was measured"):
        report.gpu_as_accelerator()


def test_without_pytorch_the_gpu_part_says_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(bench.probes_gpu.importlib.util, "find_spec", lambda name: None)
    report = bench.measure(0.5, ["gpu"], progress=lambda *_: None)
    assert report.notes == ("gpu: PyTorch is not installed here, so no GPU was asked",)
    assert np.isnan(report.memory_bandwidth)


def test_importing_the_bench_starts_nothing() -> None:
    code = (
        "import sys, threading; from dcserver.lab import bench; "
        "assert threading.active_count() == 1; "
        "assert not {'torch', 'matplotlib', 'ipywidgets', 'multiprocessing'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_before_measuring_the_reference_is_shown_the_same_in_every_run() -> None:
    assert bench.latest() is bench.reference()
    panel = bench.panel()
    assert repr(panel).startswith(
        "This machine is not measured yet. For comparison, a machine of ours:\nMeasured on 20"
    )
    assert panel._repr_mimebundle_()["text/html"] == bench.panel()._repr_mimebundle_()["text/html"]
    reference = bench.reference()
    assert reference.memory_bandwidth > 1e9
    assert len(reference.exchange) > 8


def test_a_busy_machine_is_said_to_be_busy(monkeypatch: Any) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (999.0, 0.0, 0.0), raising=False)
    report = bench.measure(0.5, ["exchange"], progress=lambda *_: None)
    assert "other programs were at work (a load of 999.0 on" in report.notes[0]
    monkeypatch.delattr(os, "getloadavg")
    assert bench.measure(0.5, ["exchange"], progress=lambda *_: None).notes == ()


def test_a_half_measured_machine_does_not_stand_for_a_whole_one() -> None:
    def stop(share: float, what: str) -> None:
        if what.startswith("copying:"):
            raise KeyboardInterrupt

    report = bench.measure(1.0, ["matrix products", "copying"], progress=stop)
    assert bench.latest() is bench.latest("matrix products") is report
    assert bench.latest("matrix products", "copying") is bench.reference(), "copying was stopped"
    assert bench.latest("disk") is bench.reference(), "the disk was left out"
    with pytest.raises(ValueError, match="needed='disc'"):
        bench.latest("disc")


def test_pressing_the_button_measures_and_shows_it(monkeypatch: Any) -> None:
    monkeypatch.setattr(bench, "PARTS", ("copying",))
    monkeypatch.setattr(bench.measure, "__defaults__", (1.0, ("copying",), None))
    form = bench.panel(seconds=0.5).form()
    row, shown = form.children
    button, bar, _, said = row.children
    assert "not measured yet" in shown.value
    button.click()
    assert bench.latest() is not bench.reference()
    assert bar.value == 1.0
    assert not button.disabled
    assert "Measured." in said.value
    assert "not measured yet" not in shown.value


def test_progress_in_text_is_for_terminals_only(capsys: Any) -> None:
    bench.measure(0.5, ["copying"])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("asked", "said"), [({"seconds": 0.1}, "seconds=0.1"), ({"parts": ["gpus"]}, "parts='gpus'"), ({"seconds": float("nan")}, "seconds")])  # fmt: skip
def test_bad_requests_are_named(asked: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bench.measure(**asked)


def test_sizes_and_best_times() -> None:
    assert probes.sizes_between(16 * KiB, MiB) == [16384, 65536, 262144, 1048576]
    calls = []
    slept = probes.best_time(lambda: (calls.append(1), time.sleep(0.01)), 0.03)
    assert 0.009 < slept < 0.1
    assert 3 <= len(calls) <= 8
    assert probes.best_time(lambda: None, 0.001) < 1e-5
