"""Weights by a published name, a file, or a run."""

from pathlib import Path

import pytest

from dae_tui.errors import UsageError, WeightsError
from dae_tui.find_weights import find_weights
from dae_tui.runs.folder.layout import CONFIG, State, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.spec.model_cards import published, weights_name


def make_run(folder: Path, weights: bool = True) -> Run:
    folder.mkdir(parents=True)
    write_json(folder / CONFIG, {})
    run = Run(folder)
    if weights:
        run.weights.parent.mkdir(parents=True)
        run.weights.write_bytes(b"weights")
    return run


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """A run with weights, and a newer one without."""
    make_run(tmp_path / "runs" / "20260101-000000-digits-dense-aaaa")
    make_run(tmp_path / "runs" / "20260102-000000-digits-unet-bbbb", weights=False)
    return tmp_path / "runs"


# Found


def test_each_published_name_is_found(runs_dir: Path) -> None:
    assert "mnist-autoencoder" in published()

    for name, path in published().items():
        assert find_weights(name, runs_dir) == path
        assert path.is_file()


def test_a_file_is_found_wherever_it_is(
    tmp_path: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "my.safetensors"
    file.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert find_weights(str(file), runs_dir) == file
    assert find_weights("my.safetensors", runs_dir) == Path("my.safetensors")
    assert find_weights("~/my.safetensors", runs_dir) == file


@pytest.mark.parametrize("text", ["aaaa", "dense", "20260101-000000-digits-dense-aaaa"])
def test_the_best_weights_of_a_run_are_found_by_its_name(runs_dir: Path, text: str) -> None:
    found = find_weights(text, runs_dir)

    assert found == runs_dir / "20260101-000000-digits-dense-aaaa/checkpoints/best" / found.name
    assert found.read_bytes() == b"weights"


def test_the_weights_of_a_run_are_found_by_its_folder(tmp_path: Path, runs_dir: Path) -> None:
    run = make_run(tmp_path / "elsewhere" / "other")

    assert find_weights(str(run.folder), runs_dir) == run.weights


def test_a_published_name_comes_before_a_file_and_a_run(
    tmp_path: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(runs_dir / "mnist-autoencoder")
    monkeypatch.chdir(tmp_path)
    Path("mnist-autoencoder").touch()

    assert find_weights("mnist-autoencoder", runs_dir) == published()["mnist-autoencoder"]


def test_a_file_comes_before_a_run(
    tmp_path: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("aaaa").touch()

    assert find_weights("aaaa", runs_dir) == Path("aaaa")


# Not found


@pytest.mark.parametrize(
    "text",
    ["nothing", "nothing.safetensors", "~nobody-of-that-name/w", "x" * 300, "a\0b", "."],
    ids=lambda text: repr(text[:20]),
)
def test_what_means_no_weights_is_a_weights_error_that_lists_the_published(
    runs_dir: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(WeightsError, match="there are no weights") as failure:
        find_weights(text, runs_dir)

    assert failure.value.exit_code == 3
    assert "published weights: " in failure.value.hint
    assert "mnist-autoencoder" in failure.value.hint


@pytest.mark.parametrize("text", ["bbbb", "latest"])
def test_a_run_without_weights_is_a_weights_error(runs_dir: Path, text: str) -> None:
    with RunWriter(runs_dir / "20260102-000000-digits-unet-bbbb") as writer:
        writer.status(State.RUNNING)
        with pytest.raises(WeightsError, match="unet-bbbb has no weights yet") as failure:
            find_weights(text, runs_dir)

    assert failure.value.hint == "wait for its first epoch"


def test_a_run_that_ended_without_weights_says_how_it_goes_on(runs_dir: Path) -> None:
    folder = runs_dir / "20260102-000000-digits-unet-bbbb"
    for config, hint in (
        ({}, "start a new training"),
        ({"epochs": 2}, f"dae train --resume {folder}"),
    ):
        write_json(folder / CONFIG, config)
        with pytest.raises(WeightsError, match="unet-bbbb has no weights yet") as failure:
            find_weights("bbbb", runs_dir)

        assert failure.value.hint.endswith(hint)


def test_a_part_of_several_names_is_a_usage_error(runs_dir: Path) -> None:
    with pytest.raises(UsageError, match="'digits' means 2 runs"):
        find_weights("digits", runs_dir)


# Names


def test_weights_are_called_by_their_file_or_their_run(runs_dir: Path) -> None:
    assert weights_name(published()["mnist-dense"]) == "mnist-dense"
    assert weights_name(Path("my.best.safetensors")) == "my.best"
    assert weights_name(find_weights("aaaa", runs_dir)) == "digits-dense-aaaa"


def test_weights_of_the_run_that_one_stands_in_are_called_by_it(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = Path("checkpoints/best/weights.safetensors")
    run = find_weights("aaaa", runs_dir).parents[2]

    monkeypatch.chdir(run)
    assert weights_name(weights) == "digits-dense-aaaa"
    monkeypatch.chdir(run / "checkpoints")
    assert weights_name(Path("..") / weights) == "digits-dense-aaaa"


def test_weights_that_are_a_link_are_called_by_the_run_that_has_the_link(
    tmp_path: Path, runs_dir: Path
) -> None:
    (tmp_path / "store" / "ab" / "cd").mkdir(parents=True)
    weights = find_weights("aaaa", runs_dir)
    weights.rename(tmp_path / "store" / "ab" / "cd" / "ef01")
    weights.symlink_to(tmp_path / "store" / "ab" / "cd" / "ef01")

    assert weights_name(find_weights("aaaa", runs_dir)) == "digits-dense-aaaa"
