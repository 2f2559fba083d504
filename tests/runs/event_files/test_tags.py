"""What the usual names of scalars mean."""

import pytest

from dae_tui.runs.event_files.tags import find_tag, measure_of, measures, stage_of


@pytest.mark.parametrize(
    ("tag", "measure", "stage"),
    [
        ("loss", "loss", ""),
        ("Loss/train", "loss", "train"),
        ("train_loss_step", "loss", "train"),
        ("validation/epoch_loss", "loss", "val"),
        ("eval/loss", "loss", "val"),
        ("train/learning_rate", "learning rate", "train"),
        ("lr-Adam", "lr adam", ""),
        ("train/epoch", "epoch", "train"),
        ("test_acc", "acc", "test"),
        ("val", "val", "val"),
    ],
)
def test_a_tag_is_a_measure_of_a_stage(tag: str, measure: str, stage: str) -> None:
    assert (measure_of(tag), stage_of(tag)) == (measure, stage)


def test_curves_of_one_measure_share_a_chart_and_losses_come_first() -> None:
    tags = ["epoch", "lr", "val/loss", "train/loss", "box_loss"]
    assert measures(tags) == {
        "loss": ["train/loss", "val/loss"],
        "box loss": ["box_loss"],
        "lr": ["lr"],
        "epoch": ["epoch"],
    }


def test_the_loss_itself_is_preferred_to_parts_of_it() -> None:
    tags = ["train/box_loss", "train/loss", "train/accuracy"]
    assert find_tag(tags, "loss", ("train",)) == "train/loss"
    assert find_tag(tags, "loss", ("val",)) is None
    assert find_tag(tags, "accuracy", ("val", "train")) == "train/accuracy"
