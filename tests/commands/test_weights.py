"""`dae weights`: what is published can be shown, exported and trusted."""

import json
from pathlib import Path

import pytest
from command_line import Dae

from dae_tui.spec.model_cards import PUBLISHED, card, published, read_metadata


def test_published_weights_are_small_and_have_a_true_card() -> None:
    assert {"mnist-autoencoder", "mnist-classifier", "mnist-dense", "digits-classifier"} <= set(
        published()
    )
    for name, path in published().items():
        size = path.stat().st_size
        assert size < 5_000_000, name
        written = (PUBLISHED / f"{name}.md").read_text()
        assert written == card(name, read_metadata(path), size), name


def test_list_names_them_all(dae: Dae) -> None:
    outcome = dae("weights", "list")
    as_json = dae("weights", "list", "--json")
    assert as_json.code == 0, as_json.err
    listed = json.loads(as_json.out)["weights"]
    assert [weights["name"] for weights in listed] == list(published())
    for name in published():
        assert name in outcome.out


def test_show_says_what_trained_them(dae: Dae) -> None:
    outcome = dae("weights", "show", "mnist-autoencoder")
    assert outcome.code == 0
    assert "dae train autoencoder --data mnist" in outcome.out
    shown = json.loads(dae("weights", "show", "mnist-autoencoder", "--json").out)
    assert shown["network"] == "autoencoder"
    assert shown["figures"]["protocol"]["images"] == 10_000


def test_unknown_weights_name_the_known(dae: Dae) -> None:
    outcome = dae("weights", "show", "nothing")
    assert outcome.code == 3
    assert "mnist-autoencoder" in outcome.err


def test_a_run_is_exported_with_its_card(dae: Dae, tmp_path: Path) -> None:
    trained = dae(
        *("train", "--data", "digits", "--widths", "4,8", "--epochs", "1", "--quiet"),
        *("--device", "cpu"),
    )
    assert trained.code == 0
    target = tmp_path / "mine.safetensors"
    assert dae("weights", "export", "latest", target).out == f"{target}\n"
    text = (tmp_path / "mine.md").read_text()
    assert text.startswith("# mine")
    assert "dae train autoencoder --data digits --noise gaussian:0.5" in text
    assert dae("weights", "export", "latest", target).code == 2
    assert dae("weights", "export", "latest", target, "--overwrite").code == 0
    assert dae("weights", "export", "latest", tmp_path / "mine.pt").code == 2
    assert dae("denoise", target, "-o", tmp_path / "out", "--weights", target).code == 1


def test_the_card_of_a_foreign_file_is_refused(dae: Dae, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    description = json.dumps({"network": "dense", "settings": {}})
    path = tmp_path / "foreign.safetensors"
    save_file({"x": np.zeros(1)}, path, metadata={"dae-tui": description})
    assert dae("weights", "show", path).code == 3


@pytest.mark.parametrize("name", ["..", "/etc", "a/b"])
def test_a_name_that_is_a_path_is_not_a_run(dae: Dae, name: str) -> None:
    assert dae("weights", "show", name).code == 3
