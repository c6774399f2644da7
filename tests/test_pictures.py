"""Pictures and tables as the output of a cell."""

import re
import subprocess
import sys

import pytest

from dcserver import lab


def chart() -> lab.Bars:
    return lab.Bars("watts").update(bars={"idle": 70.0, "busy": 700.0})


def test_a_table_reads_in_a_terminal_and_on_a_page() -> None:
    table = lab.table([("part", "bytes"), ("weights", "**14 GB**")], "One card")
    assert repr(table).splitlines() == ["One card", "part     bytes", "weights  14 GB"]
    assert ">One card</caption>" in table._repr_html_()
    assert "<b>14 GB</b>" in table._repr_html_()


@pytest.mark.parametrize("rows", [[], [("head", "only")], [("a", "b"), ("one cell",)]])
def test_a_table_without_rows_or_with_a_ragged_one_is_refused(rows: list) -> None:
    with pytest.raises(ValueError, match="rows must be a head"):
        lab.table(rows)


def test_a_picture_with_rows_shows_both(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lab.show(chart(), rows=[("part", "watts"), ("idle", "70")])
    assert isinstance(shown, lab.Table)
    assert capsys.readouterr().out.strip(), "the picture itself is displayed"


def test_a_picture_stays_callable_after_one_was_shown() -> None:
    # A module and a function of one name would shadow each other as soon as the module is imported.
    code = (
        "from dcserver import lab; lab.Bars('x').update(bars={'a': 1.0})._repr_mimebundle_(); assert callable(lab.show)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_figure_needs_a_description() -> None:
    with pytest.raises(ValueError, match="alt"):
        lab.Picture(chart().figure, " ")
    data, metadata = lab.Picture(chart().figure, "Two bars.")._repr_mimebundle_()
    assert data["text/plain"] == "Two bars."
    assert metadata["image/png"]["alt"] == "Two bars."


def test_a_chart_described_in_other_words_keeps_its_marks() -> None:
    told = lab.show(chart(), alt="Idle draws a tenth of busy.")
    assert told.alt == "Idle draws a tenth of busy."
    assert told.png() == chart().png()


@pytest.mark.parametrize("ring", [700.0, 730.0, 760.0])
def test_the_ring_of_a_measurement_never_covers_the_value_of_its_bar(ring: float) -> None:
    bars = lab.Bars(lab.axis("watts", 0, 1200)).update(bars={"busy": 700.0}, measured={"busy": ring})
    (words,) = (text for text in bars.axes.texts if "700" in text.get_text())
    apart = bars.axes.transData.transform([(ring, 0), (words.get_position()[0], 0)])[:, 0]
    assert apart[1] - apart[0] > 16, (
        "the words and their backing begin to the right of the ring, 8 pixels wide at twice the size"
    )
    far = lab.Bars(lab.axis("watts", 0, 1200)).update(bars={"busy": 700.0}, measured={"busy": 300.0})
    (words,) = (text for text in far.axes.texts if "700" in text.get_text())
    assert words.get_position()[0] == 700


def test_numbers_line_up_on_the_right_and_words_on_the_left() -> None:
    page = lab.table(
        [("part", "bytes", "verdict"), ("1 weights", "**14 GB**", "fits"), ("2 rest", "-3 GB", "")]
    )._repr_html_()
    assert '<td style="text-align: right;"><b>14 GB</b></td>' in page
    assert '<td style="text-align: left;">fits</td>' in page
    assert '<th scope="row" style="text-align: left; font-weight: normal;">1 weights</th>' in page
    assert '<th scope="col" style="text-align: right;">bytes</th>' in page


def test_one_word_among_numbers_does_not_move_the_column() -> None:
    page = lab.table([("part", "need"), ("weights", "14 GB"), ("rest", "3 GB"), ("verdict", "fits")])._repr_html_()
    assert '<td style="text-align: right;">fits</td>' in page


def test_sentences_that_begin_with_a_number_stand_on_the_left() -> None:
    page = lab.table(
        [("claim", "model"), ("a", "132; the card in a PCIe slot has 114"), ("b", "67 TFLOP/s")]
    )._repr_html_()
    assert '<td style="text-align: left;">67 TFLOP/s</td>' in page


def test_dollars_are_no_formula() -> None:
    from dcserver.lab import cards, style

    for shown in (
        style.words_to_html("**$3** or $4"),
        cards.span("`$3` or $4"),
        style.table_html([["a"], ["$3 to $4"]]),
    ):
        assert "$" in shown
        assert not re.search(r"\$[^<]", shown), f"JupyterLab would typeset {shown}"
