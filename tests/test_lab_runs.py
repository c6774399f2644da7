"""A long experiment: what stands there first, what progress it shows, and that stopping it loses nothing."""

from typing import Any

import pytest

from dcserver import lab


def squares(progress: Any) -> dict[str, Any]:
    found: list[int] = []
    try:
        for i in range(1, 6):
            found.append(i * i)
            progress(i, 5)
    except KeyboardInterrupt:
        pass
    return {"squares": found}


@pytest.fixture
def run() -> lab.Run:
    return lab.Run(
        "Squares", "Square them", squares, {"squares": [1]},
        lab.Bars(lab.axis("square", 0, 30)),
        marks=lambda r: {"bars": {f"{i}": v for i, v in enumerate(r["squares"], 1)}},
        readout=lambda r: f"The largest is **{max(r['squares'])}**.",
        table=lambda r: [("number", "square"), *((i, v) for i, v in enumerate(r["squares"], 1))],
        seconds=1,
    )  # fmt: skip


def parts(run: lab.Run) -> tuple[Any, Any, Any]:
    button, bar, _, said = run.widget().children[1].children
    return button, bar, said


def test_before_it_is_run_it_shows_the_first_result_and_whose_it_is(run: lab.Run) -> None:
    assert "a run of ours" in run.text
    assert "The largest is 1." in run.text
    data, metadata = run._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert "The largest is 1." in metadata["image/png"]["alt"]


def test_pressing_the_button_shows_progress_and_the_result(run: lab.Run) -> None:
    button, bar, said = parts(run)
    shares: list[float] = []
    bar.observe(lambda change: shares.append(change["new"]), names="value")
    button.click()
    assert shares == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert run.done
    assert run.result == {"squares": [1, 4, 9, 16, 25]}
    assert "Done." in said.value
    assert not button.disabled
    assert "The largest is 25." in run.text
    assert "ours" not in run.text
    assert "<b>25</b>" in run._say.value


def test_stopping_keeps_what_is_done(run: lab.Run) -> None:
    def stop(done: float, total: float) -> None:
        if done == 2:
            raise KeyboardInterrupt

    assert run.start(stop) == {"squares": [1, 4]}
    assert "The largest is 4." in run.text


def test_a_run_that_ends_early_says_so(run: lab.Run) -> None:
    def half(progress: Any) -> dict[str, Any]:
        progress(2, 5)
        return {"squares": [1, 4]}

    run.work = half
    button, _, said = parts(run)
    button.click()
    assert "Stopped at 40 %" in said.value


def test_work_that_breaks_frees_the_button_and_leaves_the_picture(run: lab.Run) -> None:
    def broken(progress: Any) -> Any:
        raise ValueError("no such thing")

    run.work = broken
    button, _, said = parts(run)
    button.click()  # ipywidgets logs what a callback raises
    assert not button.disabled
    assert "It stopped: no such thing (ValueError)." in said.value
    assert not run.done
    assert "The largest is 1." in run.text


def test_stopping_before_anything_is_done_says_so(run: lab.Run) -> None:
    def none_yet(progress: Any) -> Any:
        raise KeyboardInterrupt

    run.work = none_yet
    button, _, said = parts(run)
    button.click()
    assert "before there was anything to keep" in said.value
    assert "The largest is 1." in run.text
