"""The drawing half of the lab: controls say what the model gets, panels say what they show, charts stay put and quick."""

import base64
import io
import re
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dcserver import lab, units
from dcserver.lab import stamp, style
from dcserver.lab.figures.axes import fitted, nice_ceiling, ticks


def transfer(**changes: Any) -> lab.Panel:
    """A panel on a formula that a reader can do in the head: time = size / bandwidth."""

    def compute(size: float, link: float, lossy: bool) -> dict[str, Any]:
        if lossy and link > 100e9:
            raise ValueError("lossy=True is not modelled above 100 GB/s")
        sizes = np.logspace(6, 12, 40)
        return {"time": size / link, "sizes": sizes, "times": sizes / link}

    arguments: dict[str, Any] = {
        "title": "A transfer",
        "controls": [
            lab.log_slider("size", "Size", 1e6, 1e12, 1e9, format=units.format_bytes),
            lab.choice("link", "Link", {"slow": 1e9, "fast": 450e9}),
            lab.toggle("lossy", "Packets get lost"),
        ],
        "compute": compute,
        "chart": lab.Curves(
            lab.log_axis("size", 1e6, 1e12, format=units.format_bytes),
            lab.log_axis("time", 1e-6, 1e3, format=units.format_time),
        ),
        "marks": lambda r, size: {
            "curves": [lab.Curve("link", r["sizes"], r["times"])],
            "points": [lab.Point("you", size, r["time"], "here")],
        },
        "readout": lambda r: f"**{units.format_time(r['time'])}** on the wire.",
        "table": lambda r, size: [("quantity", "value"), ("size", units.format_bytes(size))],
        "presets": {"a model": {"size": 140e9, "link": 450e9}},
    }
    return lab.Panel(**{**arguments, **changes})


# Controls


def test_a_logarithmic_slider_stops_at_one_two_five() -> None:
    control = lab.log_slider("size", "Size", 1e3, 1e6, 1e3, format=units.format_bytes)
    assert control.texts == ["1 kB", "2 kB", "5 kB", "10 kB", "20 kB", "50 kB", "100 kB", "200 kB", "500 kB", "1 MB"]


def test_a_doubling_slider_counts_in_powers_of_two() -> None:
    assert lab.log_slider("gpus", "GPUs", 1, 64, 8, steps="2").values == [1, 2, 4, 8, 16, 32, 64]


def test_an_even_slider_holds_both_ends_and_whole_numbers_stay_whole() -> None:
    control = lab.slider("gpus", "GPUs", 2, 8, 4, step=2, unit="GPUs")
    assert control.values == [2, 4, 6, 8]
    assert all(isinstance(v, int) for v in control.values)
    assert control.texts[0] == "2 GPUs"
    assert lab.slider("share", "Share", 0, 1, 0.5, step=0.1).values[3] == 0.3


def test_a_slider_stops_exactly_at_its_default_and_at_every_preset() -> None:
    assert 175e9 in lab.log_slider("parameters", "Parameters", 1e9, 1e12, 175e9).values
    panel = transfer()
    assert 140e9 in panel.controls[0].values
    assert panel.set(**panel.presets["a model"]) == "311 ms on the wire."


def test_a_setting_between_two_stops_takes_the_nearest() -> None:
    control = lab.log_slider("size", "Size", 1, 100, 1)
    assert control.nearest(8) == 10
    assert control.nearest(6) == 5
    assert control.nearest(1e9) == 100


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lab.slider("size", "Size", 5, 5, 5), "size: low=5 must be below high=5"),
        (lambda: lab.slider("size", "Size", 1, 5, 2, step=0), "size: step=0 must be above 0"),
        (lambda: lab.slider("size", "Size", 1, 5, 9), "size=9 must lie between 1 and 5"),
        (lambda: lab.log_slider("size", "Size", 0, 5, 2), "size: low=0 must lie above 0"),
        (lambda: lab.log_slider("size", "Size", 1, 5, 2, steps="3"), "steps='3' is not one of"),
        (lambda: lab.choice("link", "Link", {}), "link: there is nothing to choose from"),
        (lambda: lab.choice("link", "Link", ["a", "b"], "c"), "link='c' is not one of a, b"),
        (lambda: lab.toggle("two words", "?"), "name='two words' must be usable as a keyword"),
        (lambda: transfer(controls=[]), "0 controls: a panel has 1 to 4"),
        (lambda: transfer(presets={"x": {"speed": 1}}), "preset 'x' sets speed, which is no control here"),
        (lambda: transfer(presets={"x": {"size": 1}}), "size=1 must lie between"),
        (lambda: transfer().set(colour=1), "colour: this panel has the controls size, link, lossy"),
        (lambda: transfer().set(size="big"), "size='big' is not a number"),
        (lambda: transfer().set(link="medium"), "link='medium' is not one of slow, fast"),
    ],
)
def test_a_wrong_control_or_setting_is_named(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        make()


# Panels


def test_moving_a_slider_moves_sentence_picture_and_description() -> None:
    panel = transfer()
    panel.widget()
    before = panel._picture.value
    panel._widgets["size"].value = panel.controls[0].to_widget(1e12)
    assert panel.sentence == "**16.7 min** on the wire."
    assert "<b>16.7 min</b>" in panel._say.value
    assert panel._picture.value != before
    assert 'alt="time against size' in panel._picture.value
    assert "you: 16.7 min at 1 TB" in panel._picture.value


def test_a_move_is_computed_once_and_a_preset_too() -> None:
    calls = []

    def compute(**values: Any) -> dict[str, Any]:
        calls.append(values)
        return {"time": values["size"] / values["link"], "sizes": [1e6, 1e12], "times": [1, 2]}

    panel = transfer(compute=compute)
    panel.widget()
    calls.clear()
    panel._widgets["size"].value = 3
    assert len(calls) == 1
    button = next(b for b in _all(panel.widget()) if getattr(b, "description", "") == "a model")
    button.click()
    assert len(calls) == 2
    assert calls[-1] == {"size": 140e9, "link": 450e9, "lossy": False}
    assert panel._widgets["link"].value == 1
    next(b for b in _all(panel.widget()) if getattr(b, "description", "") == "Reset").click()
    assert panel.values == {"size": 1e9, "link": 1e9, "lossy": False}


def _all(widget: Any) -> list[Any]:
    return [widget, *(w for child in getattr(widget, "children", ()) for w in _all(child))]


def test_what_cannot_be_is_said_and_the_picture_stays() -> None:
    panel = transfer()
    panel.widget()
    good = panel.png()
    panel.set(link="fast")
    drawn = panel.png()
    assert drawn != good
    assert panel.set(lossy=True) == "This cannot be: lossy=True is not modelled above 100 GB/s."
    assert panel.failed
    assert "dcserver-failed" in panel._say.value
    assert panel.png() == drawn
    assert panel.set(lossy=False) == "2.22 ms on the wire."
    assert not panel.failed


def test_an_error_that_is_no_answer_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        transfer(readout=lambda r: r["typo"])


def test_impossible_defaults_are_refused() -> None:
    with pytest.raises(ValueError, match="not modelled"):
        transfer(
            controls=[
                *transfer().controls[:1],
                lab.choice("link", "Link", [450e9, 1e9]),
                lab.toggle("lossy", "?", True),
            ]
        )


def test_a_saved_panel_keeps_numbers_picture_description_and_table() -> None:
    first, metadata = transfer()._repr_mimebundle_()
    second, _ = transfer()._repr_mimebundle_()
    assert first["text/plain"] == "A transfer\n1 s on the wire.\nquantity  value\nsize      1 GB"
    assert first["image/png"] == second["image/png"], "the same picture, byte for byte"
    assert Image.open(io.BytesIO(first["image/png"])).size == (1240, 800)
    assert metadata["image/png"]["alt"].startswith("1 s on the wire. time against size: link goes from")
    assert "application/vnd.jupyter.widget-view+json" in first
    still = transfer().static_html()
    assert "<b>1 s</b> on the wire" in still
    assert ">1 GB</td>" in still


def test_a_panel_says_what_to_do_below_its_title() -> None:
    head = transfer(task="Double the *size*.").widget().children[0].value
    assert '<div class="dcserver-task">Double the *size*.</div>' in head


def test_a_picture_without_a_kernel_has_its_description_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append(data))
    lab.Bars("watts").update(bars={"fan": 90.0})._ipython_display_()
    picture, words = shown
    assert picture["image/png"].startswith(b"\x89PNG")
    assert "Bars of watts: fan 90." in words["text/html"]
    assert "image/png" not in words


def test_the_ghost_is_the_state_before_the_present_run_of_moves() -> None:
    panel = transfer()
    panel.set(size=1e6)
    panel.set(size=1e7)  # the same control, at once: one run of moves
    assert panel._ghost is not None
    assert panel._ghost["points"][0].x == 1e9
    panel.set(link="fast")  # another control: the state before it
    assert panel._ghost["points"][0].x == 1e7


def test_showing_a_panel_twice_adds_no_second_answer() -> None:
    panel = transfer()
    view = panel.widget()
    panel._repr_mimebundle_()
    assert panel.widget() is view
    calls = []
    panel.compute = lambda **values: calls.append(values) or {"time": 1.0, "sizes": [1.0, 2.0], "times": [1.0, 2.0]}
    panel._widgets["size"].value = 3
    assert len(calls) == 1


def test_markup_in_words_is_escaped() -> None:
    panel = transfer(title="a < b & c", readout=lambda r: "<script>**1**</script>")
    assert panel._readout_html().endswith("&lt;script&gt;<b>1</b>&lt;/script&gt;</div>")
    assert "<title" not in panel.static_html()
    assert "a &lt; b &amp; c" in panel.static_html()


# Charts

LINE = {"curves": [lab.Curve("a", [1.0, 2.0, 3.0], [1.0, 4.0, 9.0])]}
CHARTS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "curves": (lambda: lab.Curves("x", "y"), LINE, {"curves": [lab.Curve("a", [1.0, 2.0, 3.0], [2.0, 5.0, 6.0])]}),
    "roofline": (
        lab.Roofline,
        {"roofs": [("H100", 989e12, 3.35e12)], "points": [lab.Point("p", 10, 3e13)]},
        {"roofs": [("H100", 500e12, 3.35e12)], "points": [lab.Point("p", 20, 3e13)]},
    ),
    "scatter": (
        lambda: lab.Scatter("time"),
        {"groups": {"a": ([1.0, 2.0], [1.1, 1.8])}, "error": 0.1},
        {"groups": {"a": ([1.0, 2.0], [1.5, 1.8])}, "error": 0.1},
    ),
    "bars": (lambda: lab.Bars("watts"), {"bars": {"gpu": 700.0, "fan": 90.0}}, {"bars": {"gpu": 600.0, "fan": 90.0}}),
    "stacked": (
        lambda: lab.StackedBars("bytes", ["weights", "gradients"]),
        {"rows": {"one": {"weights": 2.0, "gradients": 1.0}}, "limits": [("capacity", 2.5)]},
        {"rows": {"one": {"weights": 1.0, "gradients": 1.0}}, "limits": [("capacity", 2.5)]},
    ),
    "waterfall": (lambda: lab.Waterfall("time"), {"steps": {"a": 2.0, "b": -0.5}}, {"steps": {"a": 1.8, "b": -0.5}}),
    "heatmap": (
        lambda: lab.Heatmap("tensor", "pipeline", lab.axis("time", 0, 10), blank="does not fit"),
        {"x": [1, 2], "y": [1, 2], "values": [[1.0, 2.0], [3.0, np.nan]], "here": (1, 2)},
        {"x": [1, 2], "y": [1, 2], "values": [[1.0, 5.0], [3.0, np.nan]], "here": (1, 1)},
    ),
    "timeline": (
        lambda: lab.Timeline("time", ["forward", "backward"]),
        {"lanes": {"stage 1": [(0, 1, "forward", "1"), (3, 2, "backward")]}},
        {"lanes": {"stage 1": [(0, 1, "forward", "1"), (2, 2, "backward")]}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_drawn_again_in_place_equals_a_chart_drawn_afresh(kind: str) -> None:
    make, first, second = CHARTS[kind]
    chart = make().update(**first)
    one = chart.png()
    two = chart.update(**second).png()
    assert two != one
    assert chart.update(**first).png() == one, "back where it was, the picture is what it was"


@pytest.mark.parametrize("kind", CHARTS)
def test_the_axes_hold_still_while_a_value_moves(kind: str) -> None:
    make, first, second = CHARTS[kind]
    chart = make().update(**first)
    chart.png()
    before = chart.axes.get_xlim(), chart.axes.get_ylim(), chart.axes.get_position().bounds
    chart.update(ghost=first, **second).png()
    assert (chart.axes.get_xlim(), chart.axes.get_ylim(), chart.axes.get_position().bounds) == before


@pytest.mark.parametrize("kind", CHARTS)
def test_the_ghost_leaves_a_trace_and_the_description_none(kind: str) -> None:
    make, first, second = CHARTS[kind]
    chart = make().update(**second)
    plain, words = chart.png(), chart.alt
    chart.update(ghost=first, **second)
    assert (chart.png() != plain) == (kind not in {"scatter", "timeline", "roofline"}) or kind in {
        "timeline",
        "roofline",
    }
    assert chart.alt == words
    assert len(words) > 30


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_shows_its_description_and_saves_as_a_matplotlib_figure(kind: str) -> None:
    make, first, _ = CHARTS[kind]
    chart = make().update(**first)
    data, metadata = chart._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == data["text/plain"] == chart.alt
    stream = io.BytesIO()
    chart.figure.savefig(stream, format="png", dpi=50)
    assert np.asarray(Image.open(stream).convert("L")).min() < 200, "moving artists are drawn on saving too"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("curves", "y against x: a goes from 1 at 1 to 9 at 3."),
        ("roofline", "H100 rises by 3.35 TB/s to its roof of 989 TFLOP/s at 295 FLOP per byte"),
        ("scatter", "a: 2 points, median error 10 %"),
        ("bars", "Bars of watts: gpu 700; fan 90."),
        ("stacked", "one 3: weights 2 (67 %), gradients 1 (33 %); the limit capacity stands at 2.5, exceeded by one"),
        ("waterfall", "Waterfall of time, 1.5 in all: a 2 (130 %); b -0.5 (-33 %)."),
        ("heatmap", "least 1 at tensor 1, pipeline 1; most 3 at tensor 1, pipeline 2; 1 of 4 cells: does not fit"),
        ("timeline", "Timeline of 1 lanes, ending at 5; over all lanes: forward 1, backward 2."),
    ],
)
def test_the_description_says_the_numbers(kind: str, words: str) -> None:
    make, first, _ = CHARTS[kind]
    assert words in make().update(**first).alt


def test_a_waterfall_of_shares_does_not_write_each_share_twice() -> None:
    chart = lab.Waterfall(lab.axis("share", 0, 1, format=units.format_percent), shares=False)
    chart.update(steps={"a": 0.75, "b": 0.25})
    assert chart.alt == "Waterfall of share, 100 % in all: a 75 %; b 25 %."


def test_short_linear_axes_have_ticks() -> None:
    # 50 us in five steps of 10 is 5.000000001 steps.
    for high in (5e-5, 5e-4, 3e-7, 7.0, 1.2e9):
        assert 2 <= len(ticks(lab.axis("time", format=units.format_time), 0.0, high, most=6)) <= 7


@pytest.mark.parametrize("kind", ["bars", "stacked", "waterfall", "curves", "roofline"])
@pytest.mark.parametrize("factor", [0.0, 1e-12, 1e15, np.inf, np.nan])
def test_extreme_values_draw_without_a_crash(kind: str, factor: float) -> None:
    make, first, _ = CHARTS[kind]

    def scale(thing: Any) -> Any:
        if isinstance(thing, dict):
            return {k: scale(v) for k, v in thing.items()}
        if isinstance(thing, lab.Curve):
            return lab.Curve(thing.name, thing.x, np.asarray(thing.y) * factor)
        if isinstance(thing, lab.Point):
            return lab.Point(thing.name, thing.x, thing.y * factor)
        return (
            [scale(t) for t in thing]
            if isinstance(thing, list)
            else thing * factor
            if isinstance(thing, float)
            else thing
        )

    with np.errstate(all="ignore"):
        scaled = {k: scale(v) for k, v in first.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would stand in the notebook
        assert make().update(**scaled).png()


def test_parts_and_kinds_must_be_known() -> None:
    with pytest.raises(ValueError, match="parts \\['optimizer'\\] are not among"):
        lab.StackedBars("bytes", ["weights"]).update(rows={"one": {"optimizer": 1.0}})
    with pytest.raises(ValueError, match="kind='idle' is not one of"):
        lab.Timeline("time", ["busy"]).update(lanes={"a": [(0, 1, "idle")]})
    with pytest.raises(ValueError, match="values have shape"):
        lab.Heatmap("x", "y", lab.axis("z")).update(x=[1], y=[1, 2], values=[[1.0]])


# Axes


def test_ticks_are_numbers_that_people_say() -> None:
    def read(axis: lab.Axis, low: float, high: float) -> list[str]:
        return [axis.text(t) for t in ticks(axis, low, high)]

    time_axis = lab.log_axis("time", format=units.format_time)
    assert read(time_axis, 1e-3, 600) == ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "1 min", "10 min"]
    assert read(lab.log_axis("size", format=units.format_bytes), 1e6, 1e12) == [
        "1 MB",
        "10 MB",
        "100 MB",
        "1 GB",
        "10 GB",
        "100 GB",
        "1 TB",
    ]
    binary = lab.log_axis("size", format=lambda v: units.format_bytes(v, binary=True), binary=True)
    assert read(binary, 2.0**10, 2.0**40)[0] == "1 KiB"
    assert all("." not in word for word in read(binary, 2.0**10, 2.0**40))
    assert read(lab.axis("time", format=units.format_time), 0, 7200) == ["0", "30 min", "1 h", "1.5 h", "2 h"]
    assert read(lab.axis("GPUs"), 0, 10) == ["0", "2", "4", "6", "8", "10"]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("high", [3e-9, 0.7, 12, 999, 4.2e13])
def test_an_automatic_range_holds_its_values_and_a_few_ticks(log: bool, high: float) -> None:
    axis = lab.Axis("x", log=log)
    low, top = fitted(axis, [[high / 50, high]], None)
    assert low <= high / 50
    assert top >= high
    assert 2 <= len(ticks(axis, low, top)) <= 8


def test_a_series_of_measured_points_is_summed_up() -> None:
    points = [lab.Point("H100" if x == 1 else "", x, 2.0 * x) for x in (1, 2, 3)] + [lab.Point("you", 9, 9, "here")]
    words = lab.Roofline().update(points=points).alt
    assert "measured H100: 3 points from 2 FLOP/s at 1 to 6 FLOP/s at 3; you: 9 FLOP/s at 9." in words
    assert ". ." not in words


def test_two_scales_of_a_prediction_are_the_same_and_filled() -> None:
    chart = lab.Scatter("memory", format=units.format_bytes).update(groups={"a": ([31e9, 89e9], [30e9, 92e9])})
    assert chart.axes.get_xlim() == chart.axes.get_ylim()
    assert chart.axes.get_xlim()[1] / chart.axes.get_xlim()[0] < 10, "no whole decade for a factor of three"


def test_counts_are_said_in_full() -> None:
    assert lab.log_slider("gpus", "GPUs", 1, 16384, 8192, steps="2").texts[-2:] == ["8,192", "16,384"]
    assert lab.axis("x").text(8192) == "8,192"
    assert lab.axis("x").text(0.12345) == "0.123"


def test_names_keep_off_points_lines_and_each_other() -> None:
    x = np.linspace(0, 10, 50)
    chart = lab.Curves(lab.axis("x", 0, 10), lab.axis("y", 0, 10))
    points = [lab.Point(f"machine {i}", 3 + 0.5 * i, 5 + 0.2 * i) for i in range(5)]
    chart.update(curves=[lab.Curve("line", x, x)], points=points, limits=[lab.Limit("wall", 5.2)])
    boxes = list(chart._placed)
    assert len(boxes) == 6
    for i, (a, b, c, d) in enumerate(boxes):
        for e, f, g, h in boxes[i + 1 :]:
            assert min(c, g) <= max(a, e) or min(d, h) <= max(b, f), "two names overlap"
    for px, py in [chart._pixels(p.x, p.y)[0] for p in points]:
        assert not any(a < px < c and b < py < d for a, b, c, d in boxes), "a name covers a ring"


def test_an_automatic_range_stays_until_it_must_move() -> None:
    axis = lab.axis("x")
    start = fitted(axis, [[7.0]], None)
    assert start == (0.0, 8.0)
    assert fitted(axis, [[3.0]], start) == start
    assert fitted(axis, [[9.0]], start)[1] >= 9
    assert fitted(axis, [[0.5]], start)[1] < 8


def test_a_ceiling_is_round_and_above() -> None:
    assert [nice_ceiling(v) for v in (0.9, 1.0, 1.1, 42, 730)] == [1.0, 1.0, 1.5, 50, 800]


# Pixels


def test_white_stays_white_and_ink_stays_near_its_colour() -> None:
    for colour in ("#ffffff", *style.COLOURS, "#222222"):
        pixels = np.full((8, 8, 4), 255, dtype=np.uint8)
        pixels[..., :3] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        seen = np.asarray(Image.open(io.BytesIO(style.png_bytes(pixels.tobytes(), 8, 8))).convert("RGB"))[0, 0]
        assert np.abs(seen.astype(int) - pixels[0, 0, :3]).max() <= (0 if colour == "#ffffff" else 12)


def test_stamped_text_stands_where_matplotlib_would_put_it() -> None:
    chart = lab.Curves("x", "y").update(curves=[])
    text = chart._text(0.5, 0.5, "840 GB/s", data=chart.axes.transAxes, ha="center", va="center")
    chart.png()
    box = text.get_window_extent()
    pixels = np.full((*chart.figure.canvas.get_width_height(physical=True)[::-1], 4), 255, dtype=np.uint8)
    stamp.text(pixels, text, chart.figure.dpi)
    rows, columns = np.nonzero(pixels[..., 0] < 128)
    assert abs(columns.min() - box.x0) < 6
    assert abs(columns.max() - box.x1) < 6
    assert abs((rows.min() + rows.max()) / 2 - (pixels.shape[0] - (box.y0 + box.y1) / 2)) < 8


def test_an_image_in_html_carries_its_description_safely() -> None:
    html = style.image_html(b"png", 'a "quoted" <tag>', 10, 20)
    assert 'alt="a &quot;quoted&quot; &lt;tag&gt;"' in html
    assert base64.b64encode(b"png").decode() in html


def test_the_door_is_lazy_and_complete() -> None:
    code = (
        "import sys; from dcserver import lab; heavy = {'matplotlib', 'ipywidgets', 'PIL'}; "
        "assert not heavy & set(sys.modules); lab.Curves; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(lab, name) for name in lab.__all__ if name != "bench")
    with pytest.raises(AttributeError, match="no attribute 'pie'"):
        lab.pie  # noqa: B018
