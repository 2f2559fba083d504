"""What messages say, judged by TensorBoard's own reader."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from event_examples import NOW, image, images, scalar, tensor, text, write
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dae_tui.errors import DaeError
from dae_tui.runs.event_files.folders import EventRun
from dae_tui.runs.event_files.messages import needs_tensorboard
from dae_tui.runs.event_files.reader import EventLog


def read(folder: Path) -> EventLog:
    log = EventLog(EventRun(folder, folder))
    while log.read(1.0):
        pass
    return log


def test_scalars_are_those_that_tensorboard_reads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = []
    for step in range(1, 700):
        # Steps of one, two and three bytes; tags of one length and of others.
        records += [scalar("loss/train", step * 40, float(rng.normal())), scalar("lr", step, 0.1)]
        records.append(scalar("loss/valid", step * 40, float(rng.choice([0, 1, -2.5, 1e30]))))
    path = write(tmp_path, *records)
    judge = EventAccumulator(str(path), size_guidance={"scalars": 0})
    # The examples have no checksums, which that reader compares.
    with pytest.MonkeyPatch.context() as patched:
        stub = "tensorboard.compat.tensorflow_stub.pywrap_tensorflow"
        patched.setattr(f"{stub}.masked_crc32c", lambda _: 0)
        judge.Reload()
    series = read(tmp_path).series
    assert sorted(series) == sorted(judge.Tags()["scalars"])
    for tag, known in series.items():
        steps, values = known.arrays()
        assert steps.tolist() == [each.step for each in judge.Scalars(tag)]
        assert values.tolist() == [each.value for each in judge.Scalars(tag)]


def test_numbers_that_are_none_are_kept_as_such(tmp_path: Path) -> None:
    values = [1.0, math.nan, math.inf, -math.inf, 0.0] * 20
    write(tmp_path, *(scalar("loss", step, value) for step, value in enumerate(values)))
    _, found = read(tmp_path).series["loss"].arrays()
    assert np.array_equal(found, values, equal_nan=True)


def test_scalars_of_keras_are_tensors_whose_first_names_its_plugin(tmp_path: Path) -> None:
    records = [tensor("epoch_loss", n, 1 / (n + 1), named=n == 0) for n in range(40)]
    write(tmp_path, *records)
    steps, values = read(tmp_path).series["epoch_loss"].arrays()
    assert steps.tolist() == list(range(40))
    assert values == pytest.approx([1 / (n + 1) for n in range(40)])


def test_images_and_texts_are_kept_with_their_steps(tmp_path: Path) -> None:
    grey = np.arange(64).reshape(8, 8)
    write(
        tmp_path,
        image("digits/noisy", 3, grey),
        images("kept", 5, [grey, grey]),
        text("note/text_summary", 4, "two\nlines \x1b[2J", NOW),
    )
    log = read(tmp_path)
    assert log.image_steps() == [3, 5]
    assert len(log.texts) == 2
    assert "step 4  note: two" in log.texts[0]
    assert "lines" in log.texts[1]
    assert "\x1b" not in log.texts[1]


def test_histograms_and_strange_bytes_are_left_out(tmp_path: Path) -> None:
    broken = scalar("loss", 5, 0.5)[:12] + b"\x09" + b"\xff" * (len(scalar("loss", 5, 0.5)) - 13)
    write(tmp_path, scalar("loss", 1, 0.25), broken, scalar("loss", 2, 0.125))
    assert read(tmp_path).series["loss"].arrays()[1].tolist() == [0.25, 0.125]


def test_without_tensorboard_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(DaeError) as failure:
        needs_tensorboard("reading event files")
    assert failure.value.hint == "pip install 'dae-tui[tensorboard]'"
