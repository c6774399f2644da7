"""Every control of every panel in the chapters: at its ends, at its default and anywhere between, the panel answers."""

import random
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import panels as finder  # noqa: E402

RANDOM_SETTINGS = 50
NOT_A_NUMBER = re.compile(r"\b(nan|inf|infinite|unknown|None)\b")
CHAPTERS = finder.chapters()
_made: dict[Path, dict[str, Any]] = {}


def panels_of(path: Path) -> dict[str, Any]:
    if path not in _made:
        _made[path] = finder.panels(path)
    return _made[path]


def faults(panel: Any, where: str) -> list[str]:
    """What is wrong with what the panel shows now."""
    words = panel.text
    found = []
    if match := NOT_A_NUMBER.search(words):
        found.append(f"{where}: says {match[0]!r}: {panel.sentence}")
    if not panel.failed and not re.search(r"\d", panel.sentence):
        found.append(f"{where}: the sentence has no number: {panel.sentence}")
    if len(panel.sentence) > 320:
        found.append(f"{where}: a sentence of {len(panel.sentence)} characters")
    if len(panel.alt) < 20 or NOT_A_NUMBER.search(panel.alt):
        found.append(f"{where}: the picture's description is {panel.alt!r}")
    if not panel.png().startswith(b"\x89PNG"):
        found.append(f"{where}: no picture")
    return found


def sweep(name: str, panel: Any) -> list[str]:
    """Each control at minimum, default and maximum, then random settings of all; returns what went wrong."""
    found, refused = [], 0
    for control in panel.controls:
        for value in (control.values[0], control.default, control.values[-1]):
            panel.reset()
            panel.set(**{control.name: value})
            found += faults(panel, f"{name}, {control.name}={value!r}")
    chance = random.Random(0)
    for _ in range(RANDOM_SETTINGS):
        values = {control.name: chance.choice(control.values) for control in panel.controls}
        panel.set(**values)
        refused += panel.failed
        found += faults(panel, f"{name}, {values}")
    if refused > RANDOM_SETTINGS / 2:
        found.append(f"{name}: {refused} of {RANDOM_SETTINGS} random settings are refused")
    panel.reset()
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_setting_of_every_control_is_answered(path: Path) -> None:
    made = panels_of(path)
    assert made, f"{path.name} has no panel"
    assert [fault for name, panel in made.items() for fault in sweep(name, panel)] == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_no_control_is_dead(path: Path) -> None:
    for name, panel in panels_of(path).items():
        for control in panel.controls:
            panel.reset()
            shown = set()
            for value in (control.default, *control.values[:: max(1, len(control.values) // 12)], control.values[-1]):
                panel.set(**{control.name: value})
                shown.add(panel.text)
            assert len(shown) > 1, f"{name}: {control.name} changes neither the sentence nor the table"
        panel.reset()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_each_control_moves_picture_and_sentence_from_the_start(path: Path) -> None:
    for name, panel in panels_of(path).items():
        for control in panel.controls:
            panel.reset()
            picture, sentence = panel.png(), panel.sentence
            start, last = control.values.index(control.default), len(control.values) - 1
            reached = [i for i in (start + 1, start + 2, start - 1, 0, last) if 0 <= i <= last and i != start]
            moved = False
            for i in reached:  # what a key or two reach
                panel.reset()
                panel.set(**{control.name: control.values[i]})
                moved |= panel.sentence != sentence and (panel.failed or panel.png() != picture)
            assert moved, f"{name}: no key on {control.name} changes both, at the panel's start"
        panel.reset()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_later_cells_leave_a_panel_alone(path: Path) -> None:
    for name, panel in finder.after_all(path).items():
        alone = panels_of(path)[name]
        for control in panel.controls:
            for value in (control.values[0], control.values[-1]):
                for one in (panel, alone):
                    one.reset()
                    one.set(**{control.name: value})
                assert panel.text == alone.text, f"{name}: {control.name}={value!r} after all cells have run"
        panel.reset()
        alone.reset()


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_presets_arrive_and_reset_returns(path: Path) -> None:
    for name, panel in panels_of(path).items():
        panel.reset()
        first = panel.text
        for text, values in panel.presets.items():
            panel.set(**values)
            assert not panel.failed, f"{name}: {text}: {panel.sentence}"
            assert all(panel.values[k] == v for k, v in values.items()), f"{name}: {text} stops short of its values"
        panel.reset()
        assert panel.text == first


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_controls_have_labels_and_the_kept_table_has_rows(path: Path) -> None:
    for name, panel in panels_of(path).items():
        assert all(control.label.strip() for control in panel.controls), name
        assert len(panel.rows) >= 2, f"{name}: a table stands beside each picture"
        assert len({len(row) for row in panel.rows}) == 1, f"{name}: rows of unequal length"


# The checks themselves can fail.

CELL = """
panel = lab.Panel(
    "A transfer",
    controls=[lab.slider("size", "Size", 0, 10, 5, unit="GB"), lab.slider("dead", "Nothing", 0, 10, 5)],
    compute=lambda size, dead: size,
    chart=lab.Bars("time"),
    marks=lambda size: {"bars": {"wire": size}},
    readout=lambda size: f"{10 / size if size else float('nan')} s on the wire",
)
panel
"""


def chapter(folder: Path, cell: str) -> Path:
    path = folder / "99_test.ipynb"
    cells = [nbformat.v4.new_code_cell("from dcserver import lab"), nbformat.v4.new_code_cell(cell)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_the_sweep_finds_a_read_out_that_is_no_number(tmp_path: Path) -> None:
    made = finder.panels(chapter(tmp_path, CELL))
    assert list(made) == ["panel"]
    wrong = sweep("panel", made["panel"])
    assert any("says 'nan'" in fault for fault in wrong)
    assert all("size=0" in fault or "'size': 0" in fault for fault in wrong), wrong


def test_the_sweep_of_a_sound_panel_finds_nothing_and_a_dead_control_is_found(tmp_path: Path) -> None:
    path = chapter(tmp_path, CELL.replace("10 / size if size else float('nan')", "size"))
    panel = finder.panels(path)["panel"]
    assert sweep("panel", panel) == []
    with pytest.raises(AssertionError, match="dead changes neither"):
        test_no_control_is_dead(path)
    with pytest.raises(AssertionError, match="a table stands beside"):
        test_controls_have_labels_and_the_kept_table_has_rows(path)


def test_an_exception_in_a_panel_is_not_swallowed(tmp_path: Path) -> None:
    path = chapter(tmp_path, CELL.replace("compute=lambda size, dead: size", "compute=lambda size, dead: {5: 5}[size]"))
    with pytest.raises(KeyError):
        sweep("panel", finder.panels(path)["panel"])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_long_experiment_shows_progress_and_keeps_what_is_done(path: Path) -> None:
    for name, run in finder.runs(path).items():
        assert faults_of_run(run, name) == []
        said: list[float] = []

        def stop_soon(done: float, total: float, said: list[float] = said) -> None:
            said.append(done / total)
            if len(said) == 3:
                raise KeyboardInterrupt

        run.start(stop_soon)
        assert len(said) >= 3, f"{name}: {len(said)} words of progress"
        assert said == sorted(said), f"{name}: progress went back: {said}"
        assert 0 <= said[0] <= said[-1] <= 1, f"{name}: progress of {said}"
        assert faults_of_run(run, f"{name}, stopped") == []


def faults_of_run(run: Any, where: str) -> list[str]:
    found = [f"{where}: says {match[0]!r}: {run.text}" for match in [NOT_A_NUMBER.search(run.text)] if match]
    if len(run.alt) < 20 or NOT_A_NUMBER.search(run.alt):
        found.append(f"{where}: the picture's description is {run.alt!r}")
    return found
