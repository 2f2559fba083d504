"""What a training is asked to do: its defaults, its words on a command line, its JSON."""

import dataclasses
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Dae
from PIL import Image

from dae_tui.errors import RunError, UsageError
from dae_tui.runs.folder.layout import new_run_name
from dae_tui.runs.folder.reader import Run
from dae_tui.spec.model_cards import published, read_metadata
from dae_tui.spec.presets import preset_config
from dae_tui.spec.training_config import (
    MAX_SEED,
    TrainingConfig,
    command_line,
    default_config,
    parse_settings,
    parse_widths,
)

Understood = Callable[[str], TrainingConfig]


@pytest.fixture
def understood(dae: Dae, monkeypatch: pytest.MonkeyPatch) -> Understood:
    """The config that `dae train` makes of a command line, without training."""
    made: list[dict[str, Any]] = []

    def note(run: Run, config: dict[str, Any], options: list[str]) -> None:
        made.append(config)

    monkeypatch.setattr("dae_tui.commands.train.detach", note)

    def read(line: str) -> TrainingConfig:
        program, *words = shlex.split(line)
        assert program == "dae"
        outcome = dae(*words, "--detach")
        assert outcome.code == 0, outcome.err
        return TrainingConfig.from_json(made[-1])

    return read


# Recipes


def test_a_preset_is_a_recipe_of_which_anything_can_be_changed(understood: Understood) -> None:
    fast = understood("dae train --preset fast")
    assert dataclasses.replace(fast, data_dir="") == preset_config("fast")
    assert (fast.network, fast.epochs, fast.epoch_images) == ("unet", 1, 7_200)
    changed = understood("dae train unet --preset fast --batch-size 64 --seed 3")
    assert dataclasses.replace(changed, batch_size=16, seed=0) == fast
    wider = understood("dae train --preset fast --widths 32,64 --set blocks=2")
    assert wider.settings == fast.settings | {"widths": [32, 64], "blocks": 2}


def test_the_preset_photographs_is_for_folders_of_clean_photographs(
    dae: Dae, understood: Understood, tmp_path: Path
) -> None:
    found = understood(f"dae train --preset photographs --data {tmp_path} --grey")
    expected = preset_config("photographs", str(tmp_path))
    assert dataclasses.replace(found, data_dir="", grey=False) == expected
    assert found.grey
    for part in ("clean", "noisy"):
        (tmp_path / part).mkdir()
    for data in ("mnist", "digits", str(tmp_path)):
        outcome = dae("train", "--preset", "photographs", "--data", data)
        assert (outcome.code, outcome.out) == (2, "")
        assert "is no folder of clean photographs" in outcome.err


@pytest.mark.parametrize(
    ("preset", "weights"), [("paper", "mnist-autoencoder"), ("best", "mnist-autoencoder-wide")]
)
def test_a_preset_is_the_recipe_of_published_weights(
    preset: str, weights: str, understood: Understood
) -> None:
    command = read_metadata(published()[weights])["command"]
    # Compiled or not, the network is the same.
    found = understood(command.replace(" --compile yes", ""))
    assert dataclasses.replace(found, data_dir="") == preset_config(preset)


def test_the_preset_documents_is_for_pairs(
    tmp_path: Path, understood: Understood, dae: Dae
) -> None:
    for side in ("noisy", "clean"):
        (tmp_path / side).mkdir()
        Image.new("L", (96, 96)).save(tmp_path / side / "page.png")
    found = understood(f"dae train --preset documents --data {tmp_path}")
    assert (found.learns_from, found.patch, found.batch_size) == ("pairs", 96, 8)
    apart = f"--noisy {tmp_path / 'noisy'} --clean {tmp_path / 'clean'}"
    assert understood(f"dae train --preset documents {apart}").patch == 96
    outcome = dae("train", "--preset", "documents", "--data", "digits")
    assert outcome.code == 2
    assert "error: digits holds no pairs" in outcome.err


def test_a_preset_is_for_its_network(dae: Dae) -> None:
    outcome = dae("train", "dense", "--preset", "fast")
    assert (outcome.code, outcome.out) == (2, "")
    assert "error: the preset fast trains unet, not dense" in outcome.err


def test_a_preset_that_there_is_not_is_named(dae: Dae) -> None:
    outcome = dae("train", "--preset", "slow")
    assert outcome.code == 2
    assert (
        "error: there is no preset 'slow'\nhint: use paper, best, fast, documents, photographs"
        in outcome.err
    )


# The command line


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"data": "digits"},
        {"data": "digits", "epochs": 100},
        {"noise": "gaussian:0-0.8+salt-pepper:0.05"},
        {"clip": False},
        {"settings": {"widths": [32, 64, 128]}},
        {"epochs": 1, "batch_size": 2, "shift": 3, "seed": MAX_SEED},
        {"epoch_images": 500},
        {"lr": 1e-5},
        {"lr": 0.1 + 0.2},
        {"optimizer": "sgd", "schedule": "constant", "loss": "l1", "precision": "fp32"},
        {"classifier": "mnist-classifier"},
        {"loss": "l1+0.1*features"},
        {"loss": "0.5*features:mnist-features+ssim"},
        {"network": "dense", "settings": {"widths": [7]}},
        {"network": "unet", "settings": {"widths": [8], "blocks": 2, "sigma": False}},
    ],
    ids=str,
)
def test_a_command_line_means_the_config_that_it_was_made_from(
    understood: Understood, changed: dict[str, Any]
) -> None:
    config = dataclasses.replace(
        default_config(changed.get("network", "autoencoder"), changed.get("data", "mnist")),
        **changed,
    )

    read = understood(command_line(config))

    assert dataclasses.replace(read, data_dir="") == config


def test_a_command_line_of_a_classifier_means_the_same(understood: Understood) -> None:
    config = dataclasses.replace(default_config("classifier", "digits"), shift=1, epochs=3)

    line = command_line(config)

    assert "--noise" not in line and "--loss" not in line
    assert dataclasses.replace(understood(line), data_dir="") == config


def test_a_command_line_of_a_folder_with_spaces_can_be_pasted(
    understood: Understood, tmp_path: Path
) -> None:
    folder = tmp_path / "my 'best' images; ls"
    folder.mkdir()
    config = default_config("autoencoder", str(folder))

    assert dataclasses.replace(understood(command_line(config)), data_dir="") == config


def test_a_command_line_says_what_differs_and_always_data_and_noise() -> None:
    config = dataclasses.replace(default_config("dense"), epochs=7, clip=False)

    assert command_line(config) == (
        "dae train dense --data mnist --noise gaussian:0.5 --no-clip --epochs 7"
    )


@pytest.mark.parametrize("places", ["--data {0}", "--clean {0}/clean --noisy {0}/takes"])
def test_pairs_need_no_noise_and_their_command_line_means_the_same(
    places: str, understood: Understood, tmp_path: Path
) -> None:
    for part in ("clean", "noisy", "takes"):
        (tmp_path / part).mkdir()
    config = understood(f"dae train unet {places} --black 3 --white 4000.5".format(tmp_path))
    assert (config.noise, config.pairs, config.settings["sigma"]) == ("none", True, False)
    assert (config.black, config.white) == (3, 4000.5)
    line = command_line(config)
    assert line == f"dae train unet {places} --black 3.0 --white 4000.5".format(tmp_path)
    assert understood(line) == config
    told = understood(
        f"dae train unet {places} --set sigma=true --noise poisson:20".format(tmp_path)
    )
    assert (told.noise, told.settings) == ("poisson:20", config.settings | {"sigma": True})
    assert understood(command_line(told)) == told


def test_a_command_line_says_nothing_of_the_machine() -> None:
    config = dataclasses.replace(default_config("dense"), device="cuda:1", data_dir="/data")

    assert command_line(config) == command_line(default_config("dense"))


# Widths


@pytest.mark.parametrize(
    ("text", "widths"),
    [("32,64,128", [32, 64, 128]), ("7", [7]), (" 4, 8 ", [4, 8]), ("1,4096", [1, 4096])],
)
def test_widths_are_numbers_between_commas(text: str, widths: list[int]) -> None:
    assert parse_widths(text) == widths


@pytest.mark.parametrize("text", ["", ",", "32,", "32;64", "32 64", "3.5", "x", "1e3", "9" * 5000])
def test_other_widths_are_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read the widths") as failure:
        parse_widths(text)

    assert failure.value.hint == "write them as 32,64,128"


@pytest.mark.parametrize("text", ["0", "-1", "4097", "0,0", "32,100000"])
def test_widths_out_of_range_are_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=f"widths '{text}' are out of range") as failure:
        parse_widths(text)

    assert failure.value.hint == "each is at least 1 and at most 4096"


def test_a_network_has_at_most_sixteen_widths() -> None:
    assert parse_widths(",".join(["4"] * 16)) == [4] * 16
    for count in (17, 10_000):
        with pytest.raises(UsageError, match=f"{count} widths are too many") as failure:
            parse_widths(",".join(["4"] * count))
        assert len(failure.value.message) < 200
        assert failure.value.hint == "a network has at most 16"


# Names


def test_settings_are_values_as_in_json() -> None:
    read = parse_settings(["blocks=2", "sigma=false", "widths=[4, 8]"])
    assert read == {"blocks": 2, "sigma": False, "widths": [4, 8]}
    for text in ("blocks", "blocks=", "=3x", "sigma=False"):
        with pytest.raises(UsageError, match="cannot read the setting"):
            parse_settings([text])


@pytest.mark.parametrize("value", ["[[1]]", "{}", "[{}]", "null", "NaN", "-Infinity", "1e999"])
def test_a_setting_is_a_number_a_word_or_a_list_of_those(value: str) -> None:
    with pytest.raises(UsageError, match="cannot be") as failure:
        parse_settings([f"blocks={value}"])
    assert failure.value.hint == "a value is a number, true or false, a word, or a list of those"


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, "9" * 201, f'"{"a" * 100_000}"'],
    ids=["nested deeply", "a number", "a word"],
)
def test_a_long_setting_is_refused_and_not_quoted_whole(value: str) -> None:
    with pytest.raises(UsageError, match="is too long") as failure:
        parse_settings([f"blocks={value}"])
    assert len(failure.value.message) < 200


def test_the_label_is_the_data_and_the_network() -> None:
    assert default_config("dense", "fashion-mnist").label == "fashion-mnist-dense"


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("my images", "my-images-dense"),
        ("größe_2.0", "größe_2.0-dense"),
        (".hidden", "hidden-dense"),
        ("--x", "x-dense"),
        ("a\nb", "a-b-dense"),
    ],
)
def test_the_label_of_a_folder_is_its_name_as_a_run_can_have_it(
    tmp_path: Path, folder: str, label: str
) -> None:
    (tmp_path / folder).mkdir()
    config = default_config("dense", str(tmp_path / folder))

    assert config.label == label
    assert label in new_run_name(config.label)


# JSON and defaults


def test_a_config_comes_back_from_its_json() -> None:
    config = dataclasses.replace(default_config("dense"), settings={"widths": [4]}, lr=1e-3)

    assert TrainingConfig.from_json(json.loads(json.dumps(config.as_json()))) == config


def test_json_of_another_version_is_a_run_error() -> None:
    with pytest.raises(RunError, match=r"config\.json does not fit this version: .*colour"):
        TrainingConfig.from_json({"colour": "blue"})


def test_the_defaults_of_a_classifier_are_clean_images_and_its_own_loss() -> None:
    config = default_config("classifier", "digits")

    assert config.classifies
    assert (config.noise, config.loss, config.epochs, config.lr) == (
        "none",
        "cross-entropy",
        30,
        3e-3,
    )


@pytest.mark.parametrize(("data", "epochs"), [("mnist", 100), ("digits", 50)])
def test_the_embedded_digits_are_learnt_in_half_the_epochs(data: str, epochs: int) -> None:
    assert default_config("autoencoder", data).epochs == epochs


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("network", "vae", "there is no network 'vae'"),
        ("optimizer", "lion", "there is no optimizer 'lion'"),
        ("schedule", "cosine", "there is no schedule 'cosine'"),
        ("loss", "cross-entropy", "there is no loss 'cross-entropy'"),
        ("precision", "fp8", "there is no precision 'fp8'"),
        ("data", "imagenet", "there is no data set 'imagenet'"),
        ("data", "scans/gone", "there is no folder 'scans/gone'"),
        ("noise", "none", "autoencoder needs noise"),
        ("epochs", 0, "epochs 0 cannot be"),
        ("epochs", 1_000_001, "epochs 1000001 cannot be"),
        ("epochs", 10**4000, "epochs 10{28}… cannot be"),
        ("epoch_images", 10**9 + 1, "epoch images 1000000001 cannot be"),
        ("batch_size", 1_000_001, "batch size 1000001 cannot be"),
        ("shift", 4097, "shift 4097 cannot be"),
        ("shift", 28, "a shift of 28 moves images of 28×28 out of sight"),
        ("network", "a" * 9999, "there is no network 'a{99}…'"),
        ("data", "a" * 9999, "there is no data set 'a{99}…'"),
        ("data", "/" + "a" * 9999, "there is no folder '/a{98}…'"),
        ("batch_size", 1, "batch size 1 cannot be"),
        ("shift", -1, "shift -1 cannot be"),
        ("seed", -1, "seed -1 cannot be"),
        ("seed", MAX_SEED + 1, "the seed is 2147483648"),
        ("lr", 0.0, "the learning rate is 0"),
        ("lr", 10.1, "the learning rate is 10.1"),
        ("lr", float("nan"), "the learning rate is nan"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_trained_is_a_usage_error(field: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as failure:
        dataclasses.replace(TrainingConfig(), **{field: value})

    assert failure.value.exit_code == 2


def test_the_largest_numbers_can_be_trained_with() -> None:
    config = dataclasses.replace(
        TrainingConfig(), epochs=10**6, epoch_images=10**9, batch_size=10**6, shift=27
    )
    assert TrainingConfig.from_json(config.as_json()) == config


def test_an_oracle_is_a_classifier_of_noisy_images() -> None:
    config = default_config("oracle")
    assert (config.noise, config.loss, config.classifies) == (
        "gaussian:0.5",
        "cross-entropy",
        True,
    )
    assert command_line(config) == "dae train oracle --data mnist --noise gaussian:0.5"
    with pytest.raises(UsageError, match="oracle needs noise"):
        dataclasses.replace(config, noise="none")


def test_a_classifier_is_not_trained_on_noise() -> None:
    with pytest.raises(UsageError, match="a classifier is trained on clean"):
        dataclasses.replace(default_config("classifier"), noise="gaussian:0.5")


def test_a_classifier_of_features_is_a_path_that_other_processes_find(
    understood: Understood, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.safetensors").write_bytes(published()["mnist-features"].read_bytes())
    monkeypatch.chdir(tmp_path)
    config = understood("dae train --loss l1+2*features:mine.safetensors")
    assert config.loss == f"l1+2*features:{tmp_path.resolve()}/mine.safetensors"
    assert config.frozen_classifiers == [tmp_path.resolve() / "mine.safetensors"]
    assert default_config("unet").frozen_classifiers == []
    usual = dataclasses.replace(config, loss="features")
    assert usual.frozen_classifiers == [published()["mnist-features"]]


def test_a_loss_that_does_not_fit_is_refused(dae: Dae, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    photos = str(tmp_path / "photos")
    for words, error, hint in (
        (("--loss", "l3"), "there is no loss 'l3'", "l1+0.1*features"),
        (("--loss", "features:none"), "there are no weights 'none'", "published weights"),
        (("classifier", "--loss", "l1"), "there is no loss of classifier 'l1'", "cross-entropy"),
        (
            ("--data", photos, "--loss", "features"),
            "there is no published classifier to compare features of",
            "write features:NAME",
        ),
        (
            ("--data", photos, "--supervision", "noise2self", "--loss", "l1"),
            "noise2self has a loss of its own",
            "leave --loss out",
        ),
    ):
        outcome = dae("train", *words)
        assert (outcome.code, outcome.out) == (3 if "weights" in error else 2, ""), words
        assert f"error: {error}" in outcome.err and hint in " ".join(outcome.err.split())
