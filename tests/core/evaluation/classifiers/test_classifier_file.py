"""What a classifier's file is, told by its name and its first bytes."""

import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dae_tui.core.evaluation.classifiers.classifier_file import Kind, check_ours, kind_of
from dae_tui.errors import WeightsError
from dae_tui.spec.model_cards import published


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.onnx", Kind.ONNX), ("a.ONNX", Kind.ONNX), ("a.safetensors", Kind.OURS), ("a", Kind.OURS)],
)
def test_numbers_are_told_by_their_name(tmp_path: Path, name: str, kind: Kind) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x08\x08")
    assert kind_of(path) is kind
    assert not kind.is_program


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.pt2", Kind.EXPORTED), ("a.PT", Kind.SCRIPTED), ("a.ts", Kind.SCRIPTED)],
)
def test_programs_are_told_only_where_they_are_trusted(
    tmp_path: Path, name: str, kind: Kind
) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04")
    assert kind_of(path, trusted=True) is kind
    assert kind.is_program
    with pytest.raises(WeightsError, match=f"{kind.value} files can run any code as you"):
        kind_of(path)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["a.onnx", "a.safetensors", "a"])
def test_a_pickle_by_another_name_is_refused(tmp_path: Path, name: str, protocol: int) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"a": 1}, protocol))
    with pytest.raises(WeightsError, match="it is a pickle, not"):
        kind_of(path)


@pytest.mark.parametrize("members", [0, 1])
def test_a_zip_archive_by_another_name_is_refused(tmp_path: Path, members: int) -> None:
    path = tmp_path / "a.onnx"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(members):
            archive.writestr(f"{number}", "")
    with pytest.raises(WeightsError, match="it is a zip archive, as torch saves, not ONNX"):
        kind_of(path)


def test_a_name_that_clears_the_screen_is_written_out(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"a\\x1b\[2J\.pt is not opened"):
        kind_of(tmp_path / "a\x1b[2J.pt")


def test_a_training_accepts_only_classifiers_of_dae_train(tmp_path: Path) -> None:
    check_ours(published()["digits-classifier"])
    for name in ("a.onnx", "a.pt2", "a.pt"):
        os.mkfifo(tmp_path / name)  # Not even opened.
        with pytest.raises(WeightsError, match="no weights file of dae train"):
            check_ours(tmp_path / name)
    (tmp_path / "a.safetensors").write_bytes(pickle.dumps(1))
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        check_ours(tmp_path / "a.safetensors")


def test_telling_imports_no_torch() -> None:
    script = (
        "import sys; from dae_tui.core.evaluation.classifiers.classifier_file import kind_of; "
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert finished.stdout.split() == ["False", "False"]
