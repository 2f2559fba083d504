"""`dae train` as people and scripts meet it: results, JSON, signals, resuming, detaching."""

import errno
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Dae
from PIL import Image
from safetensors.numpy import load_file

from dae_tui.devices.processor import Processor
from dae_tui.runs.folder.layout import Request, State
from dae_tui.runs.folder.reader import MetricsFollower, Run, list_runs
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.spec.model_cards import published, read_metadata
from dae_tui.spec.training_config import TrainingConfig, default_config

# Small enough for seconds: 1 260 digits, a network of four and eight channels.
SHORT = ["--data", "digits", "--widths", "4,8", "--epochs", "2", "--device", "cpu"]
ROW_KEYS = {
    "view",
    "method",
    "noise",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "psnr",
    "ssim",
    "images_per_second",
}


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """`dae train ARGUMENTS --json` as a process of its own, its runs under `tmp_path`."""
    return subprocess.Popen(
        [sys.executable, "-m", "dae_tui", "train", *arguments, "--json"],
        env=os.environ | {"DAE_RUNS": str(tmp_path / "runs")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], **wanted: Any) -> dict[str, Any]:
    """The first event with the wanted fields."""
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if wanted.items() <= event.items():
            return event
    raise AssertionError(process.stderr.read() if process.stderr else "")


def only_run(tmp_path: Path) -> Run:
    (run,) = list_runs(tmp_path / "runs")
    return run


def wait_for(run: Run, *states: State) -> None:
    deadline = time.monotonic() + 60
    while run.state() not in states:
        assert time.monotonic() < deadline, run.status()
        time.sleep(0.05)


def test_json_is_an_event_a_line_and_ends_with_the_table(dae: Dae) -> None:
    outcome = dae("train", *SHORT, "--json")
    assert outcome.code == 0
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert events[0]["event"] == "started"
    done = events[-1]
    assert done["event"] == "done"
    assert Path(done["run"]).is_dir()
    assert Path(done["weights"]).is_file()
    assert done["seconds"] > 0
    protocol = done["benchmark"]["protocol"]
    assert protocol["data"] == "digits"
    assert protocol["images"] == 382
    assert protocol["noise"] == "gaussian:0.5"
    assert protocol["clip"] is True
    rows = done["benchmark"]["rows"]
    assert [row["view"] for row in rows] == ["original", "noisy", "denoised"]
    assert all(set(row) >= ROW_KEYS for row in rows)
    assert rows[0]["accuracy"] > 95
    assert rows[2]["psnr"] > rows[1]["psnr"]
    assert rows[1]["accuracy_low"] < rows[1]["accuracy"] < rows[1]["accuracy_high"]


def test_a_person_sees_digits_the_table_and_the_weights(dae: Dae) -> None:
    outcome = dae("train", *SHORT)
    assert outcome.code == 0
    for word in ("original", "noisy", "denoised", "accuracy %", "predicted", "run", "weights"):
        assert word in outcome.out
    assert "epoch 2/2" in outcome.err
    assert "\x1b" not in outcome.out + outcome.err


def test_quiet_says_nothing_but_the_result(dae: Dae) -> None:
    assert dae("train", *SHORT, "--quiet").err == ""


def test_the_run_folder_holds_everything(dae: Dae, tmp_path: Path) -> None:
    assert dae("train", *SHORT, "--name", "tiny", "--quiet").code == 0
    run = only_run(tmp_path)
    assert "-tiny-" in run.name
    assert run.config()["settings"] == {"widths": [4, 8]}
    assert run.meta()["versions"]["torch"]
    assert run.meta()["command"] == (
        "dae train autoencoder --data digits --noise gaussian:0.5 --widths 4,8 --epochs 2"
    )
    assert run.state() is State.FINISHED
    assert run.status()["epoch"] == 2
    kinds = [event["event"] for event in MetricsFollower(run).read()]
    assert kinds[0] == "started"
    assert kinds.count("validation") == 2
    assert kinds[-1] == "done"
    samples = sorted((run.folder / "samples").iterdir())
    with np.load(samples[-1]) as sample:
        assert sample["denoised"].shape == (16, 1, 28, 28)
        assert sample["denoised"].dtype == np.uint8
        assert sample["reads_denoised"].shape == (16,)


def test_a_table_can_be_a_picture(dae: Dae, tmp_path: Path) -> None:
    picture = tmp_path / "result.svg"
    assert dae("train", *SHORT, "--quiet", "--svg", picture).code == 0
    text = picture.read_text()
    assert text.startswith("<svg")
    assert "denoised" in text


def test_a_classifier_is_evaluated_on_clean_and_noisy_images(dae: Dae) -> None:
    outcome = dae("train", "classifier", *SHORT, "--json")
    assert outcome.code == 0
    done = json.loads(outcome.out.splitlines()[-1])
    assert [row["view"] for row in done["benchmark"]["rows"]] == ["original", "noisy"]


def test_unlabelled_images_have_no_accuracy(dae: Dae, tmp_path: Path) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for index in range(20):
        grey = random.integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(grey).save(tmp_path / "images" / f"{index}.png")
    outcome = dae("train", *SHORT, "--data", tmp_path / "images", "--json")
    assert outcome.code == 0
    rows = json.loads(outcome.out.splitlines()[-1])["benchmark"]["rows"]
    assert [row["accuracy"] for row in rows] == [None, None, None]
    assert rows[2]["psnr"] > 0
    assert dae("train", "classifier", "--data", tmp_path / "images").code == 1


@pytest.mark.slow
def test_a_network_that_is_told_the_level_learns_from_a_folder(dae: Dae, tmp_path: Path) -> None:
    """Its settings come from the command line; the weights do not say where the folder lay."""
    folder = tmp_path / "somewhere" / "photos"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(20):
        smooth = np.kron(random.integers(0, 256, (6, 6)), np.ones((8, 8))).astype(np.uint8)
        Image.fromarray(smooth).save(folder / f"{number}.png")
    outcome = dae(
        *("train", "unet", "--data", folder, "--noise", "gaussian:0.1-0.4", "--epochs", "30"),
        *("--batch-size", "6", "--widths", "4,8", "--set", "blocks=2", "--lr", "0.01"),
        *("--device", "cpu", "--json"),
    )
    assert outcome.code == 0, outcome.err
    done = json.loads(outcome.out.splitlines()[-1])
    noisy, denoised = (row["psnr"] for row in done["benchmark"]["rows"][1:])
    assert denoised > noisy + 3
    metadata = read_metadata(Path(done["weights"]))
    assert metadata["settings"] == {
        **{"channels": 1, "widths": [4, 8], "blocks": 2},
        **{"gather": 1, "sigma": True, "residual": True},
    }
    assert metadata["data"] == "photos"
    assert metadata["command"].startswith("dae train unet --data photos --noise")
    assert str(tmp_path) not in json.dumps(metadata)


def test_one_training_image_is_too_few(dae: Dae, tmp_path: Path) -> None:
    from PIL import Image

    for split in ("train", "test"):
        (tmp_path / "images" / split).mkdir(parents=True)
        Image.new("L", (16, 16), 99).save(tmp_path / "images" / split / "0.png")
    outcome = dae("train", *SHORT, "--data", tmp_path / "images")
    assert outcome.code == 1
    assert "has 0 images to train with" in outcome.err
    assert list_runs(tmp_path / "runs") == []


@pytest.mark.slow
def test_killed_after_two_epochs_it_goes_on_to_the_same_bits(dae: Dae, tmp_path: Path) -> None:
    arguments = [*SHORT[:-4], "--epochs", "4", "--device", "cpu", "--precision", "fp32"]
    whole = json.loads(dae("train", *arguments, "--json").out.splitlines()[-1])
    killed = start(tmp_path, *arguments, "--name", "killed")
    read_until(killed, event="checkpoint", kind="last", epoch=2)
    killed.kill()
    killed.communicate()
    run = next(run for run in list_runs(tmp_path / "runs") if "killed" in run.name)
    assert run.state() is State.CRASHED
    assert dae("train", "--resume", run.name, "--json").code == 0
    assert run.state() is State.FINISHED
    for kind in ("best", "last"):
        part = Path("checkpoints", kind, "weights.safetensors")
        first, second = load_file(Path(whole["run"]) / part), load_file(run.folder / part)
        assert first.keys() == second.keys()
        for name, value in first.items():
            assert value.tobytes() == second[name].tobytes(), name


@pytest.mark.slow
def test_a_lost_connection_is_ignored_and_a_termination_saves(tmp_path: Path) -> None:
    process = start(tmp_path, *SHORT[:-4], "--epochs", "1000", "--device", "cpu")
    read_until(process, event="checkpoint", kind="last")
    process.send_signal(signal.SIGHUP)
    epoch = read_until(process, event="validation")["epoch"]
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    run = only_run(tmp_path)
    status = run.status()
    assert status["state"] == State.STOPPED
    assert status["step"] >= epoch * 12
    resumed = start(tmp_path, "--resume", run.name)
    assert read_until(resumed, event="started")["step"] == status["step"]
    resumed.send_signal(signal.SIGINT)
    _, errors = resumed.communicate(timeout=60)
    assert resumed.returncode == 130, errors
    assert run.state() is State.STOPPED
    assert run.status()["step"] >= status["step"]
    assert errors.splitlines()[-2:] == [
        "stopped by SIGINT; its state is saved",
        f"hint: go on with: dae train --resume {run.folder}",
    ]


@pytest.mark.slow
def test_a_terminal_that_goes_away_does_not_end_the_training(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dae_tui", "train", *SHORT[:-4], "--epochs", "10"],
        env=os.environ | {"DAE_RUNS": str(tmp_path / "runs")},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    deadline = time.monotonic() + 60
    while not list_runs(tmp_path / "runs") or "step" not in only_run(tmp_path).status():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.close(ours)
    assert process.wait(timeout=60) == 0
    run = only_run(tmp_path)
    assert run.status()["state"] == State.FINISHED
    assert run.status()["epoch"] == 10


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_does_not_end_the_training(tmp_path: Path) -> None:
    process = start(tmp_path, *SHORT)
    read_until(process, event="started")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert only_run(tmp_path).state() is State.FINISHED


def test_stopped_before_its_first_step_it_is_stopped_and_not_failed(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunWriter, "request", lambda self: Request.STOP)
    outcome = dae("train", *SHORT, "--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    assert only_run(tmp_path).state() is State.STOPPED
    monkeypatch.undo()
    monkeypatch.setenv("DAE_RUNS", str(tmp_path / "runs"))
    assert dae("train", "--resume", "latest", "--quiet").code == 0
    assert only_run(tmp_path).state() is State.FINISHED


@pytest.mark.slow
def test_detaching_keeps_the_classifier_and_the_folder_of_data(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = ["train", "classifier", *SHORT, "--name", "other", "--quiet"]
    assert dae(*training).code == 0
    monkeypatch.setenv("DAE_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    outcome = dae("train", *SHORT, "--classifier", "latest", "--data-dir", "here", "--detach")
    assert outcome.code == 0, outcome.err
    run = Run(tmp_path / "runs" / outcome.out.strip())
    wait_for(run, State.FINISHED)
    assert "-other-" in run.config()["classifier"]
    assert run.config()["data_dir"] == str(tmp_path / "here")
    assert "-other-" not in run.name


@pytest.mark.slow
def test_a_live_run_keeps_its_config_when_another_resume_is_refused(
    dae: Dae, tmp_path: Path
) -> None:
    process = start(tmp_path, *SHORT[:-4], "--epochs", "1000", "--device", "cpu")
    read_until(process, event="step")
    run = only_run(tmp_path)
    assert dae("train", "--resume", run.name, "--epochs", "7", "--detach").code == 3
    assert run.config()["epochs"] == 1000
    assert run.state() is State.RUNNING
    process.kill()
    process.communicate()


def test_no_classifier_evaluates_a_classifier(dae: Dae) -> None:
    for network in ("classifier", "oracle"):
        outcome = dae("train", network, "--data", "digits", "--classifier", "mnist-classifier")
        assert outcome.code == 2
        assert f"no classifier evaluates the {network}" in outcome.err


def test_no_network_is_trained_against_its_judge(dae: Dae) -> None:
    outcome = dae("train", *SHORT, "--loss", "l1+0.1*features:digits-classifier")
    assert outcome.code == 2
    assert "error: digits-classifier evaluates denoised images" in outcome.err
    assert "hint: train another" in outcome.err


def test_weights_keep_their_loss_and_name_its_classifier(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.safetensors").write_bytes(published()["mnist-features"].read_bytes())
    words = ("--epochs", "1", "--epoch-images", "100", "--json")
    outcome = dae("train", *SHORT, *words, "--loss", "l1+0.1*features:mine.safetensors")
    assert outcome.code == 0, outcome.err
    metadata = read_metadata(Path(json.loads(outcome.out.splitlines()[-1])["weights"]))
    assert metadata["loss"] == "l1+0.1*features:mine"
    assert str(tmp_path) not in json.dumps(metadata)


def test_a_resumed_run_keeps_its_network(dae: Dae) -> None:
    assert dae("train", *SHORT, "--quiet").code == 0
    outcome = dae("train", "dense", "--resume", "latest", "--epochs", "3")
    assert outcome.code == 2
    assert "network" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("threads", "taken", "advice"),
    [(4, 1.4, 2), (4, 0.5, 3), (1, 1.4, None), (4, 0.3, None), (4, 4.0, 1)],
)
def test_other_work_on_the_cores_is_told(
    dae: Dae,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    threads: int,
    taken: float,
    advice: int | None,
) -> None:
    monkeypatch.setattr("dae_tui.commands.training.other_load.LOOK_AFTER", 0.0)
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    monkeypatch.setattr(Processor, "taken_by_others", lambda _: taken)
    begin = Processor.__init__

    def begin_with_four(processor: Processor) -> None:
        begin(processor)
        processor.count = 4

    monkeypatch.setattr(Processor, "__init__", begin_with_four)
    outcome = dae("train", *SHORT)
    said = f"other work takes {taken} of 4 cores"
    assert (said in outcome.err) is (advice is not None)
    assert (f"OMP_NUM_THREADS={advice} may be faster" in outcome.err) is (advice is not None)
    assert (said in (only_run(tmp_path).folder / "train.log").read_text()) is (advice is not None)


def test_a_refused_resume_leaves_the_run_as_it_was(dae: Dae, tmp_path: Path) -> None:
    from PIL import Image

    images = tmp_path / "images"
    images.mkdir()
    for number in range(30):
        Image.new("L", (16, 16), 8 * number).save(images / f"{number:02}.png")
    assert dae("train", *SHORT, "--data", images, "--quiet").code == 0
    run = only_run(tmp_path)
    before = {path: (run.folder / path).read_bytes() for path in ("status.json", "config.json")}
    Image.new("L", (16, 16)).save(images / "one-more.png")
    outcome = dae("train", "--resume", "latest", "--epochs", "3")
    assert outcome.code == 3
    assert "was trained on" in outcome.err
    for path, content in before.items():
        assert (run.folder / path).read_bytes() == content
    # A new run that cannot begin leaves nothing.
    assert dae("train", *SHORT, "--data", images, "--shift", "16").code == 2
    assert dae("train", *SHORT, "--data", images, "--classifier", "mnist-classifier").code == 1
    assert only_run(tmp_path).folder == run.folder


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("foo=1", "it has no setting 'foo', but channels, widths"),
        ("widths=3", "widths are a list such as [32, 64, 128], not 3"),
    ],
)
def test_settings_that_a_network_has_not(dae: Dae, setting: str, said: str) -> None:
    outcome = dae("train", "--data", "digits", "--set", setting)
    assert outcome.code == 2
    assert said in outcome.err


@pytest.mark.parametrize(
    "mistake",
    [
        ["--epochs", "99999999999999999999"],
        ["--epoch-images", "0"],
        ["--batch-size", "9999999999"],
        ["--data", "a" * 5000],
        ["--noise", "a" * 100_000],
        ["--set", "blocks=" + "[" * 100_000],
        ["--device", "a" * 5000],
    ],
    ids=lambda mistake: mistake[0],
)
def test_what_cannot_be_is_a_short_usage_error(
    dae: Dae, tmp_path: Path, mistake: list[str]
) -> None:
    outcome = dae("train", "--data", "digits", *mistake)
    assert (outcome.code, outcome.out) == (2, "")
    error, hint = outcome.err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert len(error) < 300
    assert list_runs(tmp_path / "runs") == []


def test_an_epoch_of_all_images_is_stored_as_0_and_typed_as_more_than_there_are(dae: Dae) -> None:
    outcome = dae("train", "--data", "digits", "--epoch-images", "0")
    assert outcome.err.splitlines() == [
        "error: epoch images cannot be 0",
        "hint: use at least 1; a number above that of the images takes all",
    ]
    assert TrainingConfig.from_json(default_config("dense").as_json()).epoch_images == 0


@pytest.mark.parametrize("name", ["mine.onnx", "mine.pt2", "mine.pt"])
def test_only_weights_of_ours_evaluate_a_training(dae: Dae, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    outcome = dae("train", *SHORT, "--classifier", tmp_path / name)
    assert (outcome.code, outcome.out) == (3, "")
    error, hint = outcome.err.splitlines()
    assert error.startswith(f"error: {tmp_path / name} is no weights file of dae train")
    assert hint.startswith("hint: dae train classifier makes one")
    assert list_runs(tmp_path / "runs") == []


@pytest.mark.slow
def test_detached_it_is_paused_resumed_and_stopped_by_others(dae: Dae, tmp_path: Path) -> None:
    outcome = dae("train", *SHORT[:-4], "--epochs", "1000", "--device", "cpu", "--detach")
    assert outcome.code == 0, outcome.err
    run = only_run(tmp_path)
    assert outcome.out == f"{run.name}\n"
    pid = run.status()["pid"]
    try:
        assert os.getsid(pid) == pid
        assert dae("runs", "pause", run.name).code == 0
        wait_for(run, State.PAUSED)
        step = run.status()["step"]
        follower = MetricsFollower(run)
        follower.read()
        assert dae("runs", "delete", run.name, "--yes").code == 3
        assert dae("train", "--resume", run.name).code == 3
        assert run.status()["step"] == step
        assert follower.read() == []
        assert dae("runs", "resume", run.name).code == 0
        deadline = time.monotonic() + 60
        while run.status().get("step", 0) <= step:
            assert time.monotonic() < deadline, run.status()
            time.sleep(0.05)
        assert dae("runs", "stop", run.name, "--wait").code == 0
        assert run.state() is State.STOPPED
        assert run.status()["step"] > step
        assert run.weights.is_file()
    finally:
        if run.state().alive:
            os.kill(pid, signal.SIGKILL)
    assert dae("runs", "stop", run.name).code == 3
    assert dae("runs", "delete", run.name, "--yes").code == 0
    assert list_runs(tmp_path / "runs") == []


def test_a_mistake_is_said_before_anything_detaches(dae: Dae, tmp_path: Path) -> None:
    outcome = dae("train", "--data", "mnist", "--data-dir", tmp_path, "--noise", "fog", "--detach")
    assert outcome.code == 2
    assert list_runs(tmp_path / "runs") == []


@pytest.mark.slow
def test_a_finished_run_goes_on_only_for_more_epochs(dae: Dae, tmp_path: Path) -> None:
    assert dae("train", *SHORT, "--quiet").code == 0
    refused = dae("train", "--resume", "latest")
    assert refused.code == 2
    assert "--epochs 4" in refused.err
    assert dae("train", "--resume", "latest", "--lr", "0.1").code == 2
    assert dae("train", "--resume", "latest", "--epochs", "3", "--quiet").code == 0
    assert only_run(tmp_path).status()["epoch"] == 3


def test_missing_data_names_both_ways_out(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import MNIST

    def no_network(self: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(MNIST, "download", no_network)
    outcome = dae("train", "--data", "mnist", "--data-dir", tmp_path / "nothing")
    assert outcome.code == 1
    assert "--data digits" in outcome.err
    assert str(tmp_path / "nothing") in outcome.err


def test_no_gpu_is_said_with_its_own_code(dae: Dae, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = dae("train", *SHORT, "--device", "cuda")
    assert outcome.code == 4
    assert "--device cpu" in outcome.err


def test_an_unwritable_run_folder_is_an_unusable_run(dae: Dae, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = dae("train", *SHORT, "--runs-dir", tmp_path / "file" / "runs")
    assert outcome.code == 3
    assert "--runs-dir" in outcome.err


def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = RunWriter.checkpoint

    def full(self: RunWriter, kind: str, files: dict[str, bytes]) -> None:
        if self.request() is None and (self.folder / "checkpoints/last/state.safetensors").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "state.safetensors")
        real(self, kind, files)

    monkeypatch.setattr(RunWriter, "checkpoint", full)
    outcome = dae("train", *SHORT)
    assert outcome.code == 1
    error, hint = outcome.err.splitlines()[-2:]
    assert error == "error: no space left on device: state.safetensors"
    assert hint.startswith("hint: ")
    run = only_run(tmp_path)
    assert run.state() is State.FAILED
    monkeypatch.undo()
    monkeypatch.setenv("DAE_RUNS", str(tmp_path / "runs"))
    assert dae("train", "--resume", "latest", "--quiet").code == 0
    assert run.state() is State.FINISHED


def test_a_diverging_training_fails_with_the_step(dae: Dae, tmp_path: Path) -> None:
    outcome = dae("train", *SHORT, "--optimizer", "sgd", "--lr", "10", "--schedule", "constant")
    if outcome.code == 0:
        pytest.fail("a learning rate of 10 did not diverge")
    assert outcome.code == 1
    assert "diverged: the loss of step" in outcome.err
    assert only_run(tmp_path).state() is State.FAILED


@pytest.mark.slow
def test_real_mnist_trains_and_is_evaluated(dae: Dae, mnist_dir: Path) -> None:
    """The recipe `fast` on real digits; the figure is a floor, not a record."""
    outcome = dae("train", "--preset", "fast", "--data-dir", mnist_dir, "--json")
    assert outcome.code == 0, outcome.err
    done = json.loads(outcome.out.splitlines()[-1])
    rows = {row["view"]: row for row in done["benchmark"]["rows"]}
    assert done["benchmark"]["protocol"]["images"] == 10_000
    assert rows["original"]["accuracy"] > 99
    assert rows["noisy"]["accuracy"] < 20
    assert rows["denoised"]["accuracy"] > 95.8
    assert rows["denoised"]["psnr"] > 19


def test_a_picture_without_a_folder_is_refused_before_the_training(
    dae: Dae, tmp_path: Path
) -> None:
    outcome = dae("train", *SHORT, "--svg", tmp_path / "none" / "x.svg")
    assert outcome.code == 2
    assert list_runs(tmp_path / "runs") == []


def test_fewer_epochs_than_it_has_are_refused(dae: Dae) -> None:
    assert dae("train", *SHORT, "--quiet").code == 0
    outcome = dae("train", "--resume", "latest", "--epochs", "1")
    assert outcome.code == 2
    assert "epoch 2" in outcome.err


@pytest.mark.slow
def test_pairs_are_learnt_from_as_they_are(dae: Dae, tmp_path: Path) -> None:
    """Stripes that no noise of ours is like, and that are at the same places in each image."""
    random = np.random.default_rng(0)
    stripes = np.where(np.arange(16) % 4 == 0, 80, 0)
    for number in range(40):
        clean = np.kron(random.integers(0, 160, (4, 4)), np.ones((4, 4)))
        for side, image in (("clean", clean), ("noisy", clean + stripes)):
            (tmp_path / "mine" / side).mkdir(parents=True, exist_ok=True)
            stored = (image * 257).astype(np.uint16)
            Image.fromarray(stored).save(tmp_path / "mine" / side / f"{number:02}.png")
    train = ("train", "unet", "--epochs", "40", "--batch-size", "8", "--lr", "0.01", "--widths")
    options = ("8,16", "--device", "cpu", "--precision", "fp32", "--json")
    outcome = dae(*train, *options, "--data", tmp_path / "mine")
    assert outcome.code == 0, outcome.err
    done = json.loads(outcome.out.splitlines()[-1])
    rows = done["benchmark"]["rows"]
    assert [row["noise"] for row in rows] == [None, "as given", "as given"]
    assert rows[1]["psnr"] == pytest.approx(10 * np.log10(4 * 255**2 / 80**2), abs=0.1)
    assert rows[2]["psnr"] > rows[1]["psnr"] + 10
    assert json.loads((Path(done["run"]) / "config.json").read_text())["noise"] == "none"
    metadata = read_metadata(Path(done["weights"]))
    assert metadata["pairs"] is True
    assert metadata["command"].startswith("dae train unet --data mine --widths 8,16")
    assert str(tmp_path) not in json.dumps(metadata)
    # The benchmark leaves out what was learnt from.
    measured = dae(
        *("benchmark", "quality", "--data", tmp_path / "mine", "--weights", done["weights"]),
        *("--json", "--device", "cpu"),
    )
    assert "left out 36 images" in measured.err
    assert json.loads(measured.out)["rows"][2]["psnr"] == pytest.approx(rows[2]["psnr"], abs=0.01)
    # The two folders by themselves are the same training.
    apart = ("--clean", tmp_path / "mine" / "clean", "--noisy", tmp_path / "mine" / "noisy")
    assert json.loads(dae(*train, *options, *apart).out.splitlines()[-1])["benchmark"]["rows"][2][
        "psnr"
    ] == pytest.approx(rows[2]["psnr"], abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--clean", "{}/clean"), "pairs need --clean and --noisy"),
        (("--data", "digits", "--noisy", "{}/noisy"), "--data excludes --clean and --noisy"),
        (("--clean", "{}/clean", "--noisy", "{}/none"), "there is no folder"),
        (("classifier", "--data", "{}"), "classifier does not learn from pairs"),
        (("--data", "digits", "--white", "255"), "--white is for folders, not for digits"),
        (("--data", "{}/clean", "--white", "1", "--black", "2"), "exchange --black and --white"),
    ],
)
def test_mistakes_in_the_options_of_folders(
    arguments: tuple[str, ...], said: str, dae: Dae, tmp_path: Path
) -> None:
    for side in ("clean", "noisy"):
        (tmp_path / side).mkdir()
    outcome = dae("train", *(word.format(tmp_path) for word in arguments))
    assert outcome.code == 2
    assert said in outcome.err


def test_what_is_left_out_of_a_folder_is_said_first(dae: Dae, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    random = np.random.default_rng(0)
    for number in range(20):
        side = 30 if number % 3 == 0 else 70
        pixels = random.integers(100, 3000, (side, side)).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / "set" / f"{number:02}.png")
    (tmp_path / "set" / "notes.txt").write_text("")
    outcome = dae("train", "unet", "--widths", "4", "--data", tmp_path / "set", "--epochs", "1")
    assert outcome.code == 0, outcome.err
    lines = outcome.err.splitlines()
    assert lines[0].startswith("values of type uint16 are taken as black at 10")
    assert lines[1] == "passed over: 1 file of other kinds (.txt)"
    assert lines[2].startswith("7 of 20 images are smaller than 40×40")
    (run,) = list_runs(tmp_path / "runs")
    assert "7 of 20 images are smaller" in (run.folder / "train.log").read_text()
