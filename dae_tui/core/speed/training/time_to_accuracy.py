"""How long a training takes to reach the paper's accuracy on denoised digits."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import torch

from dae_tui.core.data.load_data import load
from dae_tui.core.hardware import resolve_device
from dae_tui.core.speed.isolated_process import Isolated
from dae_tui.core.speed.repeated_measurement import Spread, spread
from dae_tui.core.speed.training.training_loops import Task, own_training, train_as_textbook
from dae_tui.core.speed.training.training_speed import OURS, TEXTBOOK
from dae_tui.core.training.experiment import Experiment, prepare
from dae_tui.errors import UsageError
from dae_tui.spec.events import Finished
from dae_tui.spec.presets import preset_config
from dae_tui.spec.training_config import TrainingConfig, default_config

# Accuracy on denoised digits in percent; Table 1 of the paper.
PAPER = 96.10
# Training images after which the paper's network exceeds it.
ENOUGH = 30_000


@dataclass(frozen=True)
class Trained:
    """One training and its result on the test images."""

    seconds: float
    """Training time only, including torch's preparations in the first step of a process."""
    accuracy: float
    """Percent."""
    images: int
    """Training images, repetitions included."""


@dataclass(frozen=True)
class Target:
    """A recipe, trained with several seeds."""

    recipe: str
    network: str
    images: int
    """Images of each training."""
    seconds: Spread
    mean_seconds: float
    accuracies: tuple[float, ...]
    """Percent of the denoised test images, one for each seed."""
    reached: int
    """Trainings that reached the paper's accuracy."""
    share_of_epoch: float | None
    """The mean time, in epochs of the tutorial's network in the textbook's loop."""


def recipes(data: str) -> dict[str, TrainingConfig]:
    """The recipe `fast`, and the paper's network trained for as long as it needs."""
    paper = replace(default_config("autoencoder", data), epochs=1, epoch_images=ENOUGH)
    return {"fast": preset_config("fast", data), "paper's network": paper}


def measure_targets(
    task: Task, seeds: int, epoch_seconds: float | None
) -> Generator[str, None, list[Target]]:
    """Train every recipe with `seeds` seeds; yields its progress."""
    targets = []
    for name, recipe in recipes(task.data).items():
        config = replace(recipe, data_dir=task.data_dir, device=task.device)
        found = []
        for seed in range(seeds):
            yield f"training {name}, seed {seed}"
            with Isolated[Trained](_training, replace(config, seed=seed)) as training:
                found.append(training.next())
        seconds = [each.seconds for each in found]
        accuracies = tuple(each.accuracy for each in found)
        targets.append(
            Target(
                name,
                config.network,
                found[0].images,
                spread(seconds),
                mean(seconds),
                accuracies,
                sum(accuracy >= PAPER for accuracy in accuracies),
                None if epoch_seconds is None else mean(seconds) / epoch_seconds,
            )
        )
    return targets


@dataclass(frozen=True)
class Agreement:
    """The results of one loop over several seeds, to compare with the other's."""

    network: str
    loop: str
    images: int
    """Images of each training, repetitions included."""
    seconds: Spread
    accuracies: tuple[float, ...]
    """Percent of the denoised test images, one for each seed."""


def measure_agreement(task: Task, seeds: int, epochs: int) -> Generator[str, None, list[Agreement]]:
    """Train the same network with both loops for whole epochs, to check that they agree."""
    found: dict[str, list[Trained]] = {TEXTBOOK: [], OURS: []}
    for seed in range(seeds):
        for loop, measured in found.items():
            yield f"{task.network}: {loop}, seed {seed}, {epochs} epochs"
            seeded = replace(task, seed=seed)
            with Isolated[Trained](_whole_training, seeded, loop, epochs) as training:
                measured.append(training.next())
    return [
        Agreement(
            task.network,
            loop,
            measured[0].images,
            spread([each.seconds for each in measured]),
            tuple(each.accuracy for each in measured),
        )
        for loop, measured in found.items()
    ]


def _training(config: TrainingConfig) -> Iterator[Trained]:
    experiment = prepare(config, None, "")
    *_, finished = experiment.train()
    assert isinstance(finished, Finished)
    batch = min(config.batch_size, len(experiment.training))
    yield Trained(finished.seconds, _accuracy(experiment), finished.step * batch)


def _whole_training(task: Task, loop: str, epochs: int) -> Iterator[Trained]:
    config = replace(
        default_config(task.network, task.data),
        data_dir=task.data_dir,
        device=task.device,
        seed=task.seed,
    )
    experiment = prepare(config, None, "")
    if loop == TEXTBOOK:
        network = experiment.network.to(memory_format=torch.contiguous_format)
        rounds = list(train_as_textbook(task, network, epochs))
        seconds, images = (
            sum(getattr(each, name) for each in rounds) for name in ("seconds", "images")
        )
    else:
        # All training images, as in the textbook's loop: no validation images are split off.
        whole = load(task.data, "train", Path(task.data_dir)).to(experiment.device)
        training = own_training(task, experiment.network, whole, epochs=epochs)
        *_, finished = training.events()
        assert isinstance(finished, Finished)
        seconds, images = finished.seconds, finished.step * training.batch_size
    yield Trained(seconds, _accuracy(experiment), images)


def _accuracy(experiment: Experiment) -> float:
    """Accuracy of the classifier on the denoised test images, in percent."""
    test = experiment.test[0].to(resolve_device(experiment.config.device))
    accuracy = experiment.objective.evaluate(experiment.network.eval(), [test]).accuracy
    if accuracy is None:
        raise UsageError(
            f"there is no classifier for {experiment.config.data}", "use --data mnist or digits"
        )
    return accuracy
