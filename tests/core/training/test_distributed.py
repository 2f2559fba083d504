"""Several processes that train together come to what one comes to, and end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil
import pytest
import torch
import torch.distributed as dist
from command_line import Dae
from safetensors import safe_open

from dae_tui.core.training.distributed import Group, is_of_the_others
from dae_tui.errors import UsageError

# A network with batch normalisation, whose statistics are those of the whole batch.
TRAIN = ["train", "autoencoder", "--data", "digits", "--widths", "4,8", "--precision", "fp32"]
TRAIN += ["--quiet", "--json"]
TORCHRUN = [
    *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    *("-m", "dae_tui"),
]


def environment(runs: Path) -> dict[str, str]:
    return os.environ | {"DAE_RUNS": str(runs), "OMP_NUM_THREADS": "1"}


def losses(run: Path) -> list[float]:
    """Training and validation losses of each epoch."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    validations = [line for line in lines if line["event"] == "validation"]
    return [line[key] for line in validations for key in ("train_loss", "val_loss")]


def only_run(runs: Path) -> Path:
    (run,) = runs.iterdir()
    return run


def test_a_share_is_a_part_of_the_batch() -> None:
    parts = [Group(rank, 4).share(100) for rank in range(4)]
    together = torch.cat([torch.arange(100)[part] for part in parts])
    assert together.tolist() == list(range(100))
    assert Group().share(7) == slice(0, 7)


def test_a_batch_that_cannot_be_shared_is_refused_with_one_that_can() -> None:
    with pytest.raises(UsageError, match="cannot be shared by 3") as raised:
        Group(0, 3).check(100)
    # Not 102: there may be no more than 100 images.
    assert "--batch-size 99, or fewer processes" in raised.value.hint
    with pytest.raises(UsageError) as raised:
        Group(0, 8).check(8)  # One image each has no statistics.
    assert "--batch-size 16" in raised.value.hint
    Group(0, 4).check(100)


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:4242"),
        RuntimeError("NCCL error: remote process exited or there was a network error"),
        dist.DistNetworkError("The client socket has timed out"),
        dist.DistStoreError("wait timeout after 1000ms"),
    ],
    ids=str,
)
def test_a_process_that_has_gone_is_told_from_a_fault(failure: RuntimeError) -> None:
    assert is_of_the_others(failure)
    assert not is_of_the_others(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


ONE_GPU = ("images", "cuda", "cuda:0 of here", "GPU-1")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (ONE_GPU, "processes 0 and 1 would share cuda:0 of here"),
        (("images", "cpu", "cpu of there", None), "on cuda:0 of here, process 1 on cpu of there"),
        # Each sees one GPU alone, which it calls by the same name.
        (("images", "cuda", "cuda:0 of here", "GPU-2"), None),
    ],
)
def test_each_process_has_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, other: tuple[str | None, ...], said: str | None
) -> None:
    def gather(met: list[object], _: object) -> None:
        met[:] = [ONE_GPU, other]

    monkeypatch.setattr("torch.distributed.all_gather_object", gather)
    with nullcontext() if said is None else pytest.raises(UsageError, match=said):
        Group(0, 2).meet("images", torch.device("cpu"))


@pytest.mark.slow
def test_what_two_processes_make_sure_of(tmp_path: Path) -> None:
    """That they see the same images, drop out other features, and do not outlive each other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = [sys.executable, str(Path(__file__).with_name("one_of_two.py")), str(tmp_path)]
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    both = [
        subprocess.Popen(
            script,
            env=environment(tmp_path) | meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        rank_0, rank_1 = (json.loads(process.communicate(timeout=120)[0]) for process in both)
    finally:
        for process in both:
            process.kill()
    assert rank_0["images"] == "process 0 would train on images 0, process 1 on images 1"
    assert rank_1["images"] == rank_0["images"]
    assert rank_0["dropout"] != rank_1["dropout"]
    assert (rank_0["end"], rank_1["end"]) == ("DivergedError", "LostProcessError")


@pytest.mark.slow
def test_two_processes_come_to_what_one_comes_to(dae: Dae, tmp_path: Path) -> None:
    command = [*TRAIN, "--epochs", "2"]
    assert dae(*command, "--runs-dir", tmp_path / "one").code == 0
    together = [*TORCHRUN, *command]
    done = subprocess.run(
        together, env=environment(tmp_path / "two"), check=True, capture_output=True, text=True
    )
    one, two = only_run(tmp_path / "one"), only_run(tmp_path / "two")
    assert losses(two) == pytest.approx(losses(one), rel=1e-3)
    assert json.loads((two / "meta.json").read_text())["processes"] == 2
    # One of the two writes and talks.
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()].count("done") == 1


@contextmanager
def in_training(runs: Path) -> Iterator[subprocess.Popen[str]]:
    """Two processes under torchrun that have saved their first epoch of many."""
    training = subprocess.Popen(
        [*TORCHRUN, *TRAIN, "--epochs", "1000"],
        env=environment(runs),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not list(runs.glob("*/checkpoints/last/state.safetensors")):
            assert time.monotonic() < deadline
            assert training.poll() is None
            time.sleep(0.1)
        yield training
    finally:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(training.pid).children(recursive=True):
                process.kill()
        training.kill()


@pytest.mark.slow
def test_sigterm_saves_and_ends_all(tmp_path: Path) -> None:
    with in_training(tmp_path) as training:
        training.terminate()
        _, said = training.communicate(timeout=60)
    assert "stopped by SIGTERM; its state is saved" in said
    run = only_run(tmp_path)
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "stopped"
    # Saved is the step that it came to, within an epoch or at its end.
    with safe_open(run / "checkpoints/last/state.safetensors", "pt") as state:
        assert json.loads(state.metadata()["progress"])["step"] == status["step"]


@pytest.mark.slow
def test_a_killed_process_ends_all_and_the_run_goes_on(tmp_path: Path) -> None:
    """Killed after an epoch was saved; --resume goes on from there, in one process or in two."""
    with in_training(tmp_path) as training:
        follower = next(
            child
            for child in psutil.Process(training.pid).children(recursive=True)
            if child.environ().get("RANK") == "1"
        )
        follower.send_signal(signal.SIGKILL)
        _, said = training.communicate(timeout=60)
    assert training.returncode == 1
    assert "error: another process of this training has ended" in said
    run = only_run(tmp_path)
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed"
    epoch = status["epoch"]
    resume = [*TORCHRUN, "train", "--resume", str(run), "--epochs", str(epoch + 1), "--quiet"]
    done = subprocess.run(
        resume, check=False, env=environment(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    assert len(losses(run)) >= 2 * (epoch + 1)
