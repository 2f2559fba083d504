"""`dae denoise`: the same files without the noise, and nothing lost."""

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Dae
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file, save_file
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.evaluation.protocol import evaluation_generator
from dae_tui.core.hardware import resolve_precision
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.weights_file import load_weights
from dae_tui.spec.model_cards import METADATA_KEY, published, read_metadata
from dae_tui.spec.noise_spec import parse_noise


@pytest.fixture(scope="module")
def noisy() -> NDArray[np.float32]:
    digits = unit(load("digits", "test", Path()).images[:6])
    noise = 0.5 * torch.randn(digits.shape, generator=torch.Generator().manual_seed(0))
    array: NDArray[np.float32] = (digits + noise).clamp(0, 1)[:, 0].numpy()
    return array


def test_scoring_the_output_gives_the_accuracy_of_the_benchmark(dae: Dae, tmp_path: Path) -> None:
    digits = load("digits", "test", Path())
    noisy = add_noise(unit(digits.images), parse_noise("gaussian:0.5"), evaluation_generator(0))
    np.save(tmp_path / "noisy.npy", noisy[:, 0].numpy())
    exact = ("--precision", "fp32")  # As the benchmark, on every machine.
    assert dae("denoise", tmp_path / "noisy.npy", "-o", tmp_path / "denoised.npy", *exact).code == 0
    classifier = load_weights(published()["digits-classifier"], task="classify").network
    denoised = torch.from_numpy(np.load(tmp_path / "denoised.npy"))[:, None]
    right = (classifier(denoised).argmax(1) == digits.labels).float().mean().item()
    measured = dae(
        *("benchmark", "quality", "--data", "digits", "--weights", "mnist-unet", "--json")
    )
    assert json.loads(measured.out)["rows"][-1]["accuracy"] == pytest.approx(100 * right, abs=0.1)


def test_bf16_where_it_is_faster_changes_nothing_that_one_sees(
    dae: Dae, tmp_path: Path, noisy: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "noisy.npy", noisy)
    outputs = {}
    for precision in ("auto", "fp32", "bf16"):
        target = tmp_path / f"{precision}.npy"
        options = ("--precision", precision)
        assert dae("denoise", tmp_path / "noisy.npy", "-o", target, *options).code == 0
        outputs[precision] = np.load(target)
    chosen = resolve_precision("auto", torch.device("cpu"))
    np.testing.assert_array_equal(outputs["auto"], outputs[chosen])
    difference = outputs["bf16"] - outputs["fp32"]
    assert 0 < np.sqrt(np.mean(difference**2)) < 1 / 255


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.uint16])
def test_a_stack_comes_back_as_what_it_was(
    dae: Dae, tmp_path: Path, noisy: NDArray[np.float32], dtype: type
) -> None:
    scale = 1 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max
    np.save(tmp_path / "noisy.npy", (noisy * scale).astype(dtype))
    assert dae("denoise", tmp_path / "noisy.npy", "-o", tmp_path / "out.npy").code == 0
    out = np.load(tmp_path / "out.npy")
    assert (out.shape, out.dtype) == (noisy.shape, np.dtype(dtype))
    clean = unit(load("digits", "test", Path()).images[:6])[:, 0].numpy()
    assert np.mean((out / scale - clean) ** 2) < 0.5 * np.mean((noisy - clean) ** 2)


def test_idx_and_png_come_back_as_what_they_were(
    dae: Dae, tmp_path: Path, noisy: NDArray[np.float32]
) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    stored = (noisy * 255).astype(np.uint8)
    idx = struct.pack(">HBBIII", 0, 8, 3, *stored.shape) + stored.tobytes()
    (tmp_path / "in" / "t10k-images-idx3-ubyte").write_bytes(idx)
    Image.fromarray(stored[0]).save(tmp_path / "in" / "sub" / "digit.png")
    Image.fromarray(np.stack([stored[1]] * 3, axis=-1)).save(tmp_path / "in" / "colour.png")
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    outcome = dae("denoise", "-r", tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 3
    read = read_sn3_pascalvincent_tensor(str(tmp_path / "out" / "t10k-images-idx3-ubyte"))
    assert tuple(read.shape) == (6, 28, 28)
    with Image.open(tmp_path / "out" / "sub" / "digit.png") as image:
        assert (image.mode, image.size) == ("L", (28, 28))
        assert abs(np.asarray(image).astype(int) - read[0].numpy().astype(int)).max() <= 1
    with Image.open(tmp_path / "out" / "colour.png") as image:
        assert image.mode == "RGB"
    assert not (tmp_path / "out" / "notes.txt").exists()


def test_any_size_is_denoised(dae: Dae, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.save(tmp_path / "odd.npy", random.random((2, 33, 47), dtype=np.float32))
    assert dae("denoise", tmp_path / "odd.npy", "-o", tmp_path / "out.npy").code == 0
    assert np.load(tmp_path / "out.npy").shape == (2, 33, 47)


def test_a_network_of_one_size_says_which(dae: Dae, tmp_path: Path) -> None:
    np.save(tmp_path / "odd.npy", np.zeros((1, 33, 47), np.float32))
    outcome = dae(
        "denoise", tmp_path / "odd.npy", "-o", tmp_path / "out.npy", "--weights", "mnist-dense"
    )
    assert outcome.code == 3
    assert "28×28" in outcome.err


def test_one_bad_file_does_not_stop_the_rest(
    dae: Dae, tmp_path: Path, noisy: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "good.npy", noisy)
    (tmp_path / "empty.npy").touch()
    (tmp_path / "text.png").write_text("hello")
    outcome = dae(
        *("denoise", tmp_path / "empty.npy", tmp_path / "text.png", tmp_path / "good.npy"),
        *("-o", tmp_path / "out"),
    )
    assert outcome.code == 1
    assert outcome.err.count("error: ") == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.npy"]


def test_nothing_is_overwritten_unasked(
    dae: Dae, tmp_path: Path, noisy: NDArray[np.float32]
) -> None:
    source, target = tmp_path / "noisy.npy", tmp_path / "out.npy"
    np.save(source, noisy)
    target.write_text("precious")
    assert dae("denoise", source, "-o", target).code == 2
    assert target.read_text() == "precious"
    assert dae("denoise", source, "-o", target, "--overwrite").code == 0
    assert np.load(target).shape == noisy.shape
    assert dae("denoise", source, "-o", source, "--overwrite").code == 2
    assert dae("denoise", source, "-o", tmp_path, "--overwrite").code == 2
    assert (np.load(source) == noisy).all()


def test_of_two_inputs_of_one_name_the_first_is_done(dae: Dae, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "same.npy", np.zeros((1, 28, 28), np.float32))
    outcome = dae("denoise", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out")
    assert outcome.code == 1
    (error,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert f"{tmp_path / 'b' / 'same.npy'} would be written to" in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["same.npy"]


def test_starting_again_does_not_denoise_its_own_output(dae: Dae, tmp_path: Path) -> None:
    np.save(tmp_path / "noisy.npy", np.zeros((1, 28, 28), np.float32))
    for _ in range(2):
        assert dae("denoise", tmp_path, "-o", tmp_path / "out", "--overwrite").code == 0
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["noisy.npy"]


def test_floats_of_another_range_are_denoised_in_it(
    dae: Dae, tmp_path: Path, noisy: NDArray[np.float32]
) -> None:
    np.save(tmp_path / "noisy.npy", noisy * 255)
    assert dae("denoise", tmp_path / "noisy.npy", "-o", tmp_path / "out.npy").code == 0
    clean = load("digits", "test", Path()).images[:6, 0].numpy()
    out = np.load(tmp_path / "out.npy")
    assert out.max() > 200
    assert np.mean((out - clean) ** 2) < 0.5 * np.mean((noisy * 255 - clean) ** 2)
    options = ("--white", "255", "--black", "0")
    assert dae("denoise", tmp_path / "noisy.npy", "-o", tmp_path / "told.npy", *options).code == 0
    np.testing.assert_allclose(np.load(tmp_path / "told.npy"), out, atol=3)


def test_a_missing_file_is_a_usage_error(dae: Dae, tmp_path: Path) -> None:
    outcome = dae("denoise", tmp_path / "none.npy", "-o", tmp_path / "out.npy")
    assert outcome.code == 2
    assert "none.npy" in outcome.err


class _Boom:
    """Unpickling this would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def _unusable_weights(folder: Path) -> list[Path]:
    whole = published()["mnist-autoencoder"].read_bytes()
    files = {
        "empty": b"",
        "text": b"these are no weights",
        "truncated": whole[: len(whole) // 2],
        "pickle": pickle.dumps(_Boom(folder / "mark")),
        "header": (2**62).to_bytes(8, "little") + whole[8:],
    }
    for name, content in files.items():
        (folder / f"{name}.safetensors").write_bytes(content)
    torch.save({"weights": torch.zeros(3)}, folder / "torch.safetensors")
    tensor = {"x": np.zeros(3, np.float32)}
    save_file(tensor, folder / "plain.safetensors")
    for name, metadata in {
        "unknown": {"network": "vae", "settings": {}},
        "misfit": {"network": "autoencoder", "settings": {"channels": 1, "widths": [4, 8]}},
        "huge": {"network": "autoencoder", "settings": {"channels": 1, "widths": [10**6, 10**6]}},
        "wrong-type": {"network": "autoencoder", "settings": {"channels": "x", "widths": 3}},
        "list": ["network"],
        "unhashable": {"network": ["autoencoder"], "settings": {}},
        "many": {"network": "autoencoder", "settings": {"channels": 1, "widths": [1] * 20000}},
        "no-channels": {"network": "autoencoder", "settings": {"widths": [4]}},
    }.items():
        save_file(
            tensor, folder / f"{name}.safetensors", metadata={METADATA_KEY: json.dumps(metadata)}
        )
    tensors = load_file(published()["mnist-autoencoder"])
    stored = {METADATA_KEY: json.dumps(read_metadata(published()["mnist-autoencoder"]))}
    halves = {name: value.astype(np.float16) for name, value in tensors.items()}
    save_file(halves, folder / "half.safetensors", metadata=stored)
    tensors["encoder.0.weight"] = np.full_like(tensors["encoder.0.weight"], np.nan)
    save_file(tensors, folder / "nan.safetensors", metadata=stored)
    return sorted(folder.glob("*.safetensors"))


def test_weights_that_cannot_be_used_say_so_and_run_nothing(dae: Dae, tmp_path: Path) -> None:
    np.save(tmp_path / "noisy.npy", np.zeros((1, 28, 28), np.float32))
    found = _unusable_weights(tmp_path)
    assert len(found) == 17
    for path in [*found, tmp_path / "missing.safetensors"]:
        outcome = dae(
            "denoise", tmp_path / "noisy.npy", "-o", tmp_path / "out.npy", "--weights", path
        )
        assert outcome.code == 3, (path, outcome.err)
        error, hint = outcome.err.splitlines()
        assert error.startswith("error: "), path
        assert hint.startswith("hint: "), path
        assert not (tmp_path / "out.npy").exists()
    assert not (tmp_path / "mark").exists()


def test_a_classifier_does_not_denoise(dae: Dae, tmp_path: Path) -> None:
    np.save(tmp_path / "noisy.npy", np.zeros((1, 28, 28), np.float32))
    outcome = dae(
        *("denoise", tmp_path / "noisy.npy", "-o", tmp_path / "out.npy"),
        *("--weights", "mnist-classifier"),
    )
    assert outcome.code == 3
    assert "to classify" in outcome.err
