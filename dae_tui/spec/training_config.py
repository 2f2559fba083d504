"""The configuration of a training: names and numbers, JSON in and out, no torch.

The defaults are the paper's (sections 2 and 3): Gaussian noise, mean squared error, Adam, batches
of 100, 100 epochs; the classifier's are 30 epochs of cross-entropy on clean images.
"""

import dataclasses
import json
import math
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dae_tui.errors import RunError, UsageError
from dae_tui.models.registry import NETWORKS, TRAINED
from dae_tui.spec.device import parse_device
from dae_tui.spec.loss_spec import CROSS_ENTROPY, parse_loss
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.system.printable import shortened
from dae_tui.system.regular_files import is_file, is_folder

DATA_SETS = ("mnist", "fashion-mnist", "kmnist", "qmnist", "emnist", "digits")
# Height and width of their images, all of them light on dark.
DATA_SETS_SIZE = (28, 28)
# The subfolders of a folder of pairs, whose images have equal names.
CLEAN, NOISY = "clean", "noisy"
# Files that list pairs.
PAIR_LISTS = (".csv", ".tsv", ".txt")
# The subfolders of two noisy takes, whose images have equal names.
TAKES = "a", "b"
# What a network learns from: clean images and noise that is added; clean and noisy ones; several
# noisy takes; noisy images alone, by hidden pixels or by neighbouring ones.
SUPERVISIONS = (
    "clean", "pairs", "noise2noise", "noise2self", "neighbor2neighbor", "recorrupted",
)  # fmt: skip
ALONE = ("noise2self", "neighbor2neighbor", "recorrupted")
PLACES_OF_TAKES = ("pages", "folders")
OPTIMIZERS = ("adam", "adamw", "sgd")
# The classifier whose layers the loss `features` compares, for the data sets by name: trained with
# another seed than the one that evaluates.
FEATURES = "mnist-features"
SCHEDULES = ("one-cycle", "constant")
COMPILE = ("auto", "yes", "no")
PRECISIONS = ("auto", "fp32", "bf16")

# torch's CPU generator takes 32 bits of a seed: the upper half is for evaluation.
MAX_SEED = 2**31 - 1

MAX_WIDTH = 4096
MAX_WIDTHS = 16
MAX_SETTING = 200

# Larger numbers are typing mistakes, or meant to do harm.
MAX_EPOCHS = 1_000_000
MAX_EPOCH_IMAGES = 1_000_000_000
MAX_BATCH_SIZE = 1_000_000
MAX_SHIFT = 4096
MAX_PATCH = 4096
# The coarsest scale of a network needs some pixels.
LEAST_PATCH = 16
# The U-Net for pairs: the difference of a pair need not be white noise, so that no level of it can
# be estimated. Half the resolution takes a quarter of the multiply-adds and sees twice as far.
UNET_OF_PAIRS = {"sigma": False, "gather": 2, "blocks": 2, "widths": [32, 64, 128]}
# The side of the crops of pairs.
PATCH_OF_PAIRS = 64

# sigma 0.5, clipped: the paper's operating point, as far as its Table 1 shows.
OPERATING_POINT = "gaussian:0.5"


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that determines the resulting weights, except for the machine."""

    network: str = "autoencoder"
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the network that differ from its defaults."""
    data: str = "mnist"
    data_dir: str = ""
    noisy: str = ""
    """A folder of noisy images, whose clean ones are in `data`."""
    from_weights: str = ""
    """Weights to start from: a published name or a file; empty to start anew."""
    supervision: str = "auto"
    """What it learns from: one of `SUPERVISIONS`, or `auto`: what the folder holds."""
    takes: str = ""
    """Where takes of a scene are: `pages` of a file, files of `folders`; empty for `a` and `b`."""
    black: float | None = None
    """The value that black has in the files of a folder; None finds it out."""
    white: float | None = None
    grey: bool = False
    """Whether images in colour become grey."""
    noise: str = OPERATING_POINT
    clip: bool = True
    epochs: int = 100
    epoch_images: int = 0
    """Images per epoch, drawn anew each time; 0 means all. Only of crops there may be more."""
    batch_size: int = 100
    lr: float = 6e-3
    """Learning rate; with the one-cycle schedule the highest one."""
    optimizer: str = "adam"
    schedule: str = "one-cycle"
    loss: str = "mse"
    shift: int = 0
    """Move each training image by up to so many pixels."""
    patch: int = 0
    """Train with random crops of so many pixels a side; 0 takes images whole, or cut once."""
    augment: bool = False
    """Flip and rotate the crops at random."""
    align: bool = False
    """Align the clean images of pairs with the noisy ones, to a fraction of a pixel."""
    match_brightness: bool = False
    """Give each clean image of a pair a gain and an offset, so that all pairs differ alike."""
    ema: float = 0.0
    """Evaluate and keep the moving average of the weights, which keeps this share at each step."""
    gradient_clip: float = 0.0
    """The greatest norm of the gradient of a step; 0 sets no limit."""
    seed: int = 0
    classifier: str = ""
    """A published name, a file or a run; empty for the published classifier for the data."""
    device: str = "auto"
    precision: str = "auto"
    compile: str = "auto"
    """Compile the network: `yes`, `no`, or `auto`: if the training is long enough."""

    def __post_init__(self) -> None:
        _one_of("network", self.network, TRAINED)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        self._check_loss()
        _one_of("precision", self.precision, PRECISIONS)
        _one_of("answer for --compile", self.compile, COMPILE)
        _one_of("supervision", self.supervision, ("auto", *SUPERVISIONS))
        if self.takes:
            _one_of("place of takes", self.takes, PLACES_OF_TAKES)
        check_data(self.data, file=self.learns_from != "clean")
        self._check_folder()
        parse_device(self.device)
        noise = parse_noise(self.noise)
        if self.network == "classifier" and not noise.is_none:
            raise UsageError(
                "a classifier is trained on clean images",
                "leave --noise out; an oracle classifies noisy images: dae train oracle",
            )
        if self.learns_from != "clean" and self.classifies:
            raise UsageError(
                f"{self.network} does not learn from {self.learns_from}",
                "name the folder of the clean images alone with --data",
            )
        self._check_supervision()
        if self.network != "classifier" and noise.is_none and self.learns_from == "clean":
            raise UsageError(
                f"{self.network} needs noise to train with", "for example --noise gaussian:0.5"
            )
        for name, value, least, most in (
            ("epochs", self.epochs, 1, MAX_EPOCHS),
            ("epoch images", self.epoch_images, 0, MAX_EPOCH_IMAGES),
            ("batch size", self.batch_size, 2, MAX_BATCH_SIZE),  # Batch normalisation needs two.
            ("shift", self.shift, 0, MAX_SHIFT),
            ("patch", self.patch, 0, MAX_PATCH),
            ("seed", self.seed, 0, self.seed),
        ):
            if not least <= value <= most:
                limit = f"at least {least}" if value < least else f"at most {most}"
                raise UsageError(f"{name} {shortened(value, 30)} cannot be", f"it is {limit}")
        self._check_shift()
        if self.seed > MAX_SEED:
            raise UsageError(f"the seed is {shortened(self.seed, 30)}", f"it is at most {MAX_SEED}")
        if 0 < self.patch < LEAST_PATCH:
            raise UsageError(f"the patch is {self.patch}", f"it is at least {LEAST_PATCH}")
        if not 0 <= self.ema < 1:
            raise UsageError(f"the moving average keeps {self.ema:g}", "it is at least 0, below 1")
        if not 0 <= self.gradient_clip < math.inf:
            raise UsageError(
                f"the gradient is clipped at {self.gradient_clip:g}", "it is a number, 0 for never"
            )
        if not 0 < self.lr <= 10:
            raise UsageError(f"the learning rate is {self.lr:g}", "it is above 0 and at most 10")

    def _check_loss(self) -> None:
        """Raise UsageError for a loss that does not go with network and data."""
        if self.classifies:
            _one_of(f"loss of {self.network}", self.loss, (CROSS_ENTROPY,))
            return
        terms = parse_loss(self.loss)
        if self.supervision in ALONE and self.loss != "mse":
            raise UsageError(
                f"{self.supervision} has a loss of its own, a squared error", "leave --loss out"
            )
        unnamed = any(term.kind == "features" and not term.classifier for term in terms)
        if unnamed and self.data not in DATA_SETS:
            raise UsageError(
                f"there is no published classifier to compare features of {shortened(self.data)}",
                "write features:NAME with weights of a classifier: a published name, a file or a "
                "run of dae train classifier",
            )

    @property
    def frozen_classifiers(self) -> list[Path]:
        """The weights of the classifier for each term `features` of the loss."""
        terms = [] if self.classifies else parse_loss(self.loss)
        names = [term.classifier or FEATURES for term in terms if term.kind == "features"]
        return [published().get(name, Path(name)) for name in names]

    def _check_shift(self) -> None:
        """Refuse a shift that moves images out of sight, as far as their size is known here."""
        height, width = DATA_SETS_SIZE if self.data in DATA_SETS else (self.patch, self.patch)
        if 0 < min(height, width) <= self.shift:
            raise UsageError(
                f"a shift of {self.shift} moves images of {height}×{width} out of sight",
                f"it must be less than {min(height, width)}",
            )

    def _check_folder(self) -> None:
        """Raise UsageError for what does not go with the data."""
        if self.noisy:
            check_data(self.noisy)
        if self.data in DATA_SETS and self.noisy:
            raise UsageError(
                f"the noisy images have no clean ones in {self.data}", "name both: --clean, --noisy"
            )
        for name, value in (("--black", self.black), ("--white", self.white)):
            if value is None:
                continue
            if self.data in DATA_SETS:
                raise UsageError(f"{name} is for folders, not for {self.data}", "leave it out")
            if not math.isfinite(value):
                raise UsageError(f"{name} {value} cannot be", "it is a number")
        if self.black is not None and self.white is not None and self.black >= self.white:
            raise UsageError(
                f"black at {self.black:g} is not below white at {self.white:g}",
                "exchange --black and --white",
            )

    def _check_supervision(self) -> None:
        """Raise UsageError for data that the supervision cannot learn from."""
        how = self.learns_from
        if how != "clean" and self.data in DATA_SETS:
            raise UsageError(f"{self.data} has no images for {how}", "name a folder with --data")
        if how == "pairs" and not self.pairs:
            raise UsageError(
                f"there are no pairs in {self.data}",
                f"it needs folders {CLEAN} and {NOISY}; or name them: --clean, --noisy",
            )
        if how == "noise2noise" and not self.takes and not has_takes(self.data):
            raise UsageError(
                f"there are no takes in {self.data}",
                "put them into folders a and b with equal names, or say where they are: --takes "
                "pages, --takes folders",
            )
        if how in ("clean", *ALONE) and self.noisy:
            raise UsageError(f"{how} learns from one folder", "name it with --data alone")
        if how in ("noise2noise", *ALONE) and self.noise != "none":
            raise UsageError(f"{how} learns from the noise that is there", "leave --noise out")

    @property
    def classifies(self) -> bool:
        """Whether the network learns to classify images, clean or noisy, not to denoise them."""
        return NETWORKS[self.network].task != "denoise"

    @property
    def learns_from(self) -> str:
        """One of `SUPERVISIONS`: what was asked for, or else what the data are."""
        return find_supervision(self.data, self.noisy, self.takes, self.supervision)

    @property
    def pairs(self) -> bool:
        """Whether the data are clean and noisy images of the same."""
        return holds_pairs(self.data, self.noisy)

    @property
    def label(self) -> str:
        """The default name of its run: mnist-autoencoder."""
        return re.sub(r"[^\w.-]+", "-", f"{Path(self.data).name}-{self.network}").lstrip(".-")

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(stored: dict[str, Any]) -> "TrainingConfig":
        """Read a result of `as_json`. Raises RunError for anything else."""
        try:
            return TrainingConfig(**stored)
        except TypeError as failure:
            raise RunError(
                f"the run's config.json does not fit this version: {failure}",
                "train anew, or continue it with the version that its meta.json names",
            ) from failure


def check_data(name: str, *, file: bool = False) -> None:
    """Raise UsageError unless `name` is a data set or a folder; or a file, where that will do."""
    if file and is_file(name):
        return
    if name not in DATA_SETS and is_file(name):
        raise UsageError(
            f"{shortened(name)} is a file, and images are in folders",
            "a single noisy image is learnt from with dae train --supervision noise2self, a stack "
            "of takes with --takes pages, and a list of pairs ends in .csv, .tsv or .txt",
        )
    if name not in DATA_SETS and not is_folder(name):
        kind = "folder" if "/" in name else "data set"
        raise UsageError(
            f"there is no {kind} '{shortened(name)}'",
            f"use {', '.join(DATA_SETS)}, or a folder of images or of .npy shards",
        )


def is_pairs(folder: str | Path) -> bool:
    """Whether a folder holds pairs of clean and noisy images."""
    return folder not in DATA_SETS and all(
        is_folder(Path(folder) / part) for part in (CLEAN, NOISY)
    )


def holds_pairs(data: str, noisy: str = "") -> bool:
    """Whether `data` is clean and noisy images: a folder of both, a list, or one beside `noisy`."""
    return bool(noisy) or is_pairs(data) or is_pair_list(data)


def is_pair_list(data: str) -> bool:
    """Whether it is a text or CSV file, which lists pairs."""
    return data not in DATA_SETS and Path(data).suffix.lower() in PAIR_LISTS and is_file(data)


def has_takes(folder: str | Path) -> bool:
    """Whether a folder holds two noisy takes, `a` and `b`, of the same scenes."""
    return folder not in DATA_SETS and all(is_folder(Path(folder) / part) for part in TAKES)


def find_supervision(data: str, noisy: str = "", takes: str = "", asked: str = "auto") -> str:
    """What a network learns from: one of `SUPERVISIONS`."""
    if asked != "auto":
        return asked
    if holds_pairs(data, noisy):
        return "pairs"
    return "noise2noise" if takes or has_takes(data) else "clean"


def default_config(
    network: str,
    data: str = "mnist",
    noisy: str = "",
    takes: str = "",
    supervision: str = "auto",
) -> TrainingConfig:
    """The defaults of `dae train NETWORK --data DATA`, or of `--clean DATA --noisy NOISY`.

    Raises UsageError for an unknown name.
    """
    _one_of("network", network, TRAINED)
    if NETWORKS[network].task != "denoise":
        noise = "none" if network == "classifier" else OPERATING_POINT
        return TrainingConfig(
            network, data=data, noise=noise, loss="cross-entropy", epochs=30, shift=2, lr=3e-3
        )
    # For the few embedded digits 100 epochs gain 0.3 dB over 50 and no accuracy.
    epochs = 50 if data == "digits" else 100
    how = find_supervision(data, noisy, takes, supervision)
    if how == "clean":
        return TrainingConfig(network, data=data, supervision=supervision, epochs=epochs)
    config = TrainingConfig(
        network,
        data=data,
        noisy=noisy,
        takes=takes,
        supervision=supervision,
        noise="none",
        epochs=epochs,
        patch=PATCH_OF_PAIRS,
        augment=True,
        align=how == "pairs",
        ema=0.999,
    )
    if network != "unet":
        return config
    # At the usual rate, 0.006, such a network diverges within an epoch of photographs, and at
    # 0.0015 it did so in the tenth.
    return dataclasses.replace(
        config, settings=dict(UNET_OF_PAIRS), lr=1e-3, batch_size=16, gradient_clip=0.01
    )


def command_line(config: TrainingConfig) -> str:
    """A command line that trains the same weights."""
    default = default_config(
        config.network, config.data, config.noisy, config.takes, config.supervision
    )
    words = ["dae", "train", config.network]
    words += ["--clean", config.data, "--noisy", config.noisy] if config.noisy else []
    words += [] if config.noisy else ["--data", config.data]
    if config.noise != "none":
        words += ["--noise", config.noise]
    words += ["--from", config.from_weights] if config.from_weights else []
    words += ["--takes", config.takes] if config.takes else []
    words += [] if config.supervision == "auto" else ["--supervision", config.supervision]
    said = {"network", "data", "noisy", "noise", "data_dir", "device"}
    said |= {"takes", "supervision", "from_weights"}
    for key, value in config.as_json().items():
        if key in said or value == getattr(default, key):
            continue
        if key == "settings":
            for name, setting in value.items():
                if setting == default.settings.get(name):
                    continue
                if name == "widths" and isinstance(setting, list):
                    words += ["--widths", ",".join(map(str, setting))]
                else:
                    words += ["--set", f"{name}={json.dumps(setting)}"]
        elif key == "clip":
            words += ["--no-clip"]
        elif isinstance(value, bool):
            words += [flag(key) if value else f"--no-{flag(key)[2:]}"]
        else:
            words += [flag(key), str(value)]
    return shlex.join(words)


def flag(key: str) -> str:
    """The option of `dae train` that sets a field of the config."""
    return "--" + key.replace("_", "-")


def parse_widths(text: str) -> list[int]:
    """The widths of `--widths 32,64,128`. Raises UsageError for anything else."""
    try:
        widths = [int(part) for part in text.split(",")]
    except ValueError as failure:
        raise UsageError(
            f"cannot read the widths '{shortened(text)}'", "write them as 32,64,128"
        ) from failure
    if len(widths) > MAX_WIDTHS:
        raise UsageError(
            f"{len(widths)} widths are too many: '{shortened(text)}'",
            f"a network has at most {MAX_WIDTHS}",
        )
    if min(widths) < 1 or max(widths) > MAX_WIDTH:
        raise UsageError(
            f"the widths '{shortened(text)}' are out of range",
            f"each is at least 1 and at most {MAX_WIDTH}",
        )
    return widths


def parse_settings(texts: list[str]) -> dict[str, Any]:
    """The settings of `--set NAME=VALUE`, with values in JSON.

    Raises UsageError for all but a number, true or false, a word, or a list of those.
    """
    settings = {}
    for text in texts:
        if len(text) > MAX_SETTING:
            raise UsageError(
                f"the setting '{shortened(text)}' is too long",
                f"it has at most {MAX_SETTING} characters",
            )
        name, _, value = text.partition("=")
        try:
            settings[name] = json.loads(value)
        except ValueError as failure:
            raise UsageError(
                f"cannot read the setting '{shortened(text)}'",
                "write it as blocks=2 or sigma=false",
            ) from failure
        parts = settings[name] if isinstance(settings[name], list) else [settings[name]]
        if not all(map(_is_plain, parts)):
            raise UsageError(
                f"the setting '{shortened(text)}' cannot be",
                "a value is a number, true or false, a word, or a list of those",
            )
    return settings


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"there is no {what} '{shortened(value)}'", f"use {', '.join(allowed)}")
