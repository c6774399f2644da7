"""The measurement of the learner's own disk and cores: what it reads is what it wrote, and nothing is left behind."""

import io

import numpy as np
import pytest

from dcserver.lab import loading


def test_the_images_are_jpegs_of_imagenet_s_size_and_all_differ():
    from PIL import Image

    images = loading.draw_images(4)
    assert len(set(images)) == 4
    assert loading.draw_images(4) == images
    assert 80e3 < np.mean([len(i) for i in images]) < 140e3
    with Image.open(io.BytesIO(images[0])) as picture:
        assert (picture.format, picture.size) == ("JPEG", (500, 375))


def test_preparing_gives_what_a_network_sees():
    (data,) = loading.draw_images(1)
    box = (100, 50, 400, 350)
    seen = loading.prepare(data, box, False)
    assert seen.shape == (224, 224, 3)
    assert seen.dtype == np.float32
    assert abs(seen.mean()) < 2
    np.testing.assert_array_equal(loading.prepare(data, box, True), seen[:, ::-1])


def test_a_short_measurement_is_whole_plausible_and_leaves_nothing(tmp_path):
    steps = []
    report = loading.measure(lambda done, total: steps.append((done, total)), images=24, seconds=0.5, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert steps == [(n, steps[-1][1]) for n in range(1, steps[-1][1] + 1)]
    assert {"files, from memory", "shard, from memory", "decode, 1 worker", "prepare, 1 worker"} <= set(report.rates)
    assert all(5 < rate < 1e7 for rate in report.rates.values())
    assert report.per_core < report.of("decode")[1]  # preparing holds decoding in it
    assert report.rates["files, from memory"] > report.per_core  # reading is not what takes a core's time
    assert max(report.of("decode")) == report.cores


@pytest.mark.parametrize("after", [1, 9, 20])
def test_stopping_keeps_what_is_measured_and_leaves_nothing(tmp_path, after):
    def stop(done, total):
        if done == after:
            raise KeyboardInterrupt

    report = loading.measure(stop, images=24, seconds=0.5, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert any("stopped before the end" in note for note in report.notes)
    assert bool(report.rates) == (after > 1)


def test_in_a_browser_it_says_what_cannot_be_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "IN_BROWSER", True)
    report = loading.measure(images=24, seconds=0.5, folder=tmp_path)
    assert "no drive" in report.notes[0]
    assert any("one thread" in note for note in report.notes)
    assert not any("drive" in what for what in report.rates)
    assert list(report.of("prepare")) == [1]


def test_a_folder_that_cannot_be_written_is_said_not_raised(tmp_path):
    report = loading.measure(images=24, seconds=0.5, folder=tmp_path / "nowhere")
    assert report.rates == {}
    assert "FileNotFoundError" in report.notes[0]
    assert np.isnan(report.per_core)


def test_a_system_that_cannot_forget_measures_memory_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "_forget", lambda paths: False)
    report = loading.measure(images=24, seconds=0.5, folder=tmp_path)
    assert "cannot be asked to forget" in report.notes[0]
    assert "files, from memory" in report.rates


def test_the_kept_run_says_when_and_where_and_is_whole():
    kept = loading.reference()
    assert kept.date >= "2026-11"
    assert kept.processor
    assert "Pillow" in kept.software
    assert {"files, from the drive", "shard, from the drive"} <= set(kept.rates)
    assert kept.rates["shard, from the drive"] > kept.rates["files, from the drive"]
    assert kept.per_core < kept.of("prepare")[kept.cores]
    assert kept.to_json().startswith("{")


@pytest.mark.parametrize(("change", "said"), [({"images": 3}, "images=3"), ({"seconds": 0}, "seconds=0")])
def test_bad_input_is_named(change, said):
    with pytest.raises(ValueError, match=said):
        loading.measure(**change)
