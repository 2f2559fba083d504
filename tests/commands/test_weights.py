"""`dae weights`: what is published can be shown, exported and trusted."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Dae
from safetensors.torch import load_file, save_file

from dae_tui import Denoiser
from dae_tui.commands import weights
from dae_tui.spec.model_cards import (
    DATA_LICENCES,
    LICENCE,
    METADATA_KEY,
    PUBLISHED,
    card,
    published,
    read_metadata,
)


def test_published_weights_are_small_and_have_a_true_card() -> None:
    assert {"mnist-autoencoder", "mnist-classifier", "mnist-dense", "digits-classifier"} <= set(
        published()
    )
    for name, path in published().items():
        size = path.stat().st_size
        assert size < 5_000_000, name
        written = (PUBLISHED / f"{name}.md").read_text()
        metadata = read_metadata(path)
        licence = f"{LICENCE}; trained on {DATA_LICENCES[metadata['data']]}"
        assert written == card(name, metadata, size, licence), name


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


def test_half_precision_takes_half_the_room_and_denoises_alike(dae: Dae, tmp_path: Path) -> None:
    whole, half = (tmp_path / f"{name}.safetensors" for name in ("whole", "half"))
    assert dae("weights", "export", "mnist-autoencoder", whole).code == 0
    outcome = dae("weights", "export", "mnist-autoencoder", half, "--half")
    assert (outcome.code, outcome.out) == (0, f"{half}\n"), outcome.err
    assert half.stat().st_size < 0.51 * whole.stat().st_size
    assert f"({half.stat().st_size / 1e6:.1f} MB)" in half.with_suffix(".md").read_text()
    assert read_metadata(half) == read_metadata(whole)
    digits = torch.rand(20, 28, 28, generator=torch.Generator().manual_seed(0)).numpy()
    first, second = (
        Denoiser.load(path, device="cpu", precision="fp32")(digits, sigma=0.5)
        for path in (whole, half)
    )
    assert 0 < np.abs(first - second).max() < 0.01
    alone = dae("weights", "export", "latest", "--half", "--torch-export", tmp_path / "x.pt2")
    assert alone.code == 2


def test_what_half_precision_does_not_hold_is_refused(dae: Dae, tmp_path: Path) -> None:
    whole = load_file(published()["mnist-autoencoder"])
    name = next(key for key, value in whole.items() if value.dtype == torch.float32)
    whole[name] = whole[name] + 1e6
    metadata = {METADATA_KEY: json.dumps(read_metadata(published()["mnist-autoencoder"]))}
    save_file(whole, tmp_path / "large.safetensors", metadata=metadata)
    outcome = dae(
        *("weights", "export", tmp_path / "large.safetensors"),
        *(tmp_path / "half.safetensors", "--half"),
    )
    assert (outcome.code, "beyond half precision" in outcome.err) == (3, True)
    assert not (tmp_path / "half.safetensors").exists()


def test_the_card_of_a_foreign_file_is_refused(dae: Dae, tmp_path: Path) -> None:
    description = json.dumps({"network": "dense", "settings": {}})
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata={"dae-tui": description})
    assert dae("weights", "show", path).code == 3


@pytest.mark.parametrize("name", ["..", "/etc", "a/b"])
def test_a_name_that_is_a_path_is_not_a_run(dae: Dae, name: str) -> None:
    assert dae("weights", "show", name).code == 3


PAGE = Path(__file__).parents[2] / "docs" / "weights.md"


@pytest.mark.slow
def test_the_example_of_the_documentation_denoises_with_onnxruntime_and_numpy_alone(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(
        r"<!-- onnx example -->\n```python\n(.*?)```\n\nIt prints\n\n```\n(.*?)```",
        PAGE.read_text(),
        re.DOTALL,
    )
    assert found is not None
    example, printed = found.groups()
    command = re.search(r"^dae (weights export photos-unet --onnx \S+)", PAGE.read_text(), re.M)
    assert command is not None
    monkeypatch.chdir(tmp_path)
    exported = dae(*command[1].split())
    assert (exported.code, exported.out) == (0, "photos-unet.onnx\n"), exported.err

    alone = "import sys\nassert not {'torch', 'dae_tui', 'onnx'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"{example}\n{alone}"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == printed


@pytest.mark.slow
def test_a_network_is_exported_as_programs_once(dae: Dae, tmp_path: Path) -> None:
    import torch

    program, model = tmp_path / "a.pt2", tmp_path / "a.onnx"
    asked = ("weights", "export", "mnist-dense", "--onnx", model, "--torch-export", program)
    assert dae(*asked).out == f"{model}\n{program}\n"
    denoised = torch.export.load(program).module()(torch.zeros(3, 1, 28, 28))
    assert denoised.shape == (3, 1, 28, 28)
    model.write_bytes(b"mine")
    refused = dae(*asked)
    assert (refused.code, refused.out) == (2, "")
    assert f"{model} exists" in refused.err
    assert model.read_bytes() == b"mine"
    assert dae(*asked[:-2], "--overwrite").code == 0
    assert model.stat().st_size > 4_000_000


def test_a_program_that_differs_is_not_written(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dae_tui.core.weights.export.TOLERANCE", -1)
    outcome = dae("weights", "export", "mnist-dense", "--torch-export", tmp_path / "a.pt2")
    assert outcome.code == 1
    assert "differs by" in outcome.err
    assert not list(tmp_path.glob("*.pt2"))


def test_without_the_extra_the_command_that_installs_it_is_named(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        weights, "find_spec", lambda name: None if name == "onnxscript" else find_spec(name)
    )
    outcome = dae("weights", "export", "mnist-dense", "--onnx", tmp_path / "a.onnx")
    assert outcome.code == 1
    assert outcome.err == (
        "error: --onnx needs onnxscript\nhint: install it: pip install 'dae-tui[onnx]'\n"
    )
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "--onnx FILE"),
        (("--onnx", "a.pt"), "NAME.onnx"),
        (("--torch-export", "a.pt"), "NAME.pt2"),
        (("--onnx", "missing/a.onnx"), "create it first"),
    ],
)
def test_what_cannot_be_exported_is_refused(dae: Dae, words: tuple[str, ...], hint: str) -> None:
    outcome = dae("weights", "export", "mnist-dense", *words)
    assert outcome.code == 2
    assert hint in outcome.err
