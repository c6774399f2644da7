"""How well distance and small accelerators agree with what was published; nothing is fitted on any of it."""

import numpy as np
import pytest

from dcserver import catalog, edge, validation
from dcserver.catalog.tables import rows_of

BATCHES = np.array([8, 16, 32, 64, 128, 256])


def test_every_row_is_scored_or_says_why_not():
    report = validation.score("edge").as_dict()
    assert report["rows_total"] == 51
    assert report["rows_scored"] == 49
    assert report["uncovered"] == {"texts of different lengths, which the source does not state": 2}


def test_nothing_was_fitted():
    assert all(row["fitted"] == "0" for row in rows_of("constants", "edge"))
    assert all(row["residuals"] == "no row took part in a fit" for row in rows_of("error_bars", "edge"))


def test_the_rule_of_thumb_is_too_slow_for_a_provider_s_own_fibre():
    # Bozkurt et al. 2018: 2.1 times the straight line over the public Internet, 1.3 in the shortest conduits.
    bar = validation.error_bar("edge:round trip")
    assert bar.values == 45
    assert 0.6 < bar.low < bar.median < 1 < bar.high < 1.3


def test_single_pictures_and_many_come_out_within_a_third():
    errors = validation.score("edge").errors[45:]
    assert len(errors) == 4
    assert np.abs(errors).max() < 0.35
    assert np.median(np.abs(errors)) < 0.15


def published():
    """ResNet-50 offline of whole systems, images a second of one accelerator, from two tables of other chapters."""
    for table, key, rate in (
        ("mlperf_power", "benchmark", "throughput"),
        ("inference", "model", "throughput_samples_per_s"),
    ):
        for row in catalog.measurements(table):
            if row[key].lower() in ("resnet", "resnet50") and row["scenario"] == "Offline":
                # A limited power (MaxQ) is another question.
                if "x8_TRT" in row["accelerator"]:
                    continue
                yield row["accelerator"], float(row[rate]) / float(row["n_accelerators"])


def test_resnet_on_nine_kinds_of_accelerator_without_a_fit():
    # T4, A2, A100 (three kinds), H100 (two), H200, L40S; the Cloud AI 100 keeps all weights and activations on the chip.
    network, ratios = edge.resnet(50), {}
    for name, rate in published():
        device = catalog.accelerator(name.removeprefix("NVIDIA ").removesuffix(" CTS"))
        if device.vendor == "NVIDIA":
            ratios.setdefault(device.name, []).append(rate / edge.run(network, device, "int8", BATCHES).rate.max())
    assert len(ratios) == 9
    middle = np.array([np.median(r) for r in ratios.values()])
    assert 0.75 < np.median(middle) < 1
    assert ((middle > 0.6) & (middle < 1.2)).all()


@pytest.mark.parametrize(("change", "reason"), [
    ({"kind": "round trip", "latitude": ""}, "the places are not stated"),
    ({"kind": "round trip", "latitude": "1000"}, "the places are not stated"),
    ({"kind": "round trip", "round_trip_s": "-3"}, "the round trip is not stated"),
    ({"kind": "one at a time", "accelerator": "abacus"}, "accelerator not stated"),
    ({"kind": "one at a time", "accelerator": "L4", "model": "VGG-16"}, "no list of layers"),
    ({"kind": "one at a time", "accelerator": "L4", "model": "ResNet-50", "precision": "fp3"}, "number format"),
    ({"kind": "many at once", "accelerator": "L4", "model": "ResNet-50", "precision": "int8"}, "neither a latency"),
])  # fmt: skip
def test_a_strange_row_is_answered_with_its_reason(change, reason):
    row = dict.fromkeys(catalog.measurements("edge")[0], "") | {
        "latitude": "1", "longitude": "1", "other_latitude": "2", "other_longitude": "2"
    }  # fmt: skip
    score = validation.score_rows("edge", [row | change])
    assert reason in score.comparison.uncovered[0]
