"""The names and JSON files of a run, and that reading runs never costs an import of torch."""

import json
import math
import pkgutil
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dae_tui.runs
from dae_tui.errors import UsageError
from dae_tui.runs.folder.layout import Request, State, new_run_name, read_json, write_json

LIGHT = ["dae_tui.system.atomic", "dae_tui.terminal.blocks", "dae_tui.errors"] + [
    module.name for module in pkgutil.walk_packages(dae_tui.runs.__path__, "dae_tui.runs.")
]


def test_a_run_is_named_by_its_time_its_label_and_four_hex_digits() -> None:
    earliest = time.strftime("%Y%m%d-%H%M%S")
    name = new_run_name("digits-autoencoder")
    latest = time.strftime("%Y%m%d-%H%M%S")

    assert re.fullmatch(r"\d{8}-\d{6}-digits-autoencoder-[0-9a-f]{4}", name)
    assert earliest <= name[:15] <= latest


def test_runs_of_the_same_second_have_different_names() -> None:
    assert len({new_run_name("digits")[-4:] for _ in range(50)}) > 1


@pytest.mark.parametrize(
    ("state", "alive"),
    [
        (State.RUNNING, True),
        (State.PAUSED, True),
        (State.EVALUATING, True),
        (State.FINISHED, False),
        (State.STOPPED, False),
        (State.FAILED, False),
        (State.CRASHED, False),
    ],
)
def test_a_run_is_alive_until_it_has_ended(state: State, alive: bool) -> None:
    assert state.alive is alive


def test_requests_are_the_words_of_the_commands() -> None:
    assert [str(request) for request in Request] == ["pause", "resume", "stop"]


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    value = {"loss": 0.25, "name": "σ", "settings": {"widths": [32, 64]}, "best": None}

    write_json(tmp_path / "config.json", value)

    assert read_json(tmp_path / "config.json") == value
    assert (tmp_path / "config.json").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_has_no_word_for_what_is_not_finite(tmp_path: Path, value: float) -> None:
    path = tmp_path / "status.json"

    write_json(path, {"loss": value, "step": 3})

    assert json.loads(path.read_text()) == {"loss": None, "step": 3}


@pytest.mark.parametrize(
    "label",
    [
        "",
        "a/b",
        "../x",
        ".hidden",
        "-x",
        "a b",
        "a\0",
        "x" * 201,
        "a\x1b[31mb",
        "a\nb",
        "caf\udce9",
    ],
)
def test_a_name_that_is_no_file_name_is_refused(label: str) -> None:
    with pytest.raises(UsageError):
        new_run_name(label)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"null", b'"x"', b"\xff\xfe", b"{}}"])
def test_what_is_no_json_object_reads_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "status.json").write_bytes(content)

    assert read_json(tmp_path / "status.json") is None


def test_a_missing_file_and_a_folder_read_as_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "missing.json") is None
    assert read_json(tmp_path) is None


def test_runs_blocks_errors_and_atomic_import_neither_torch_nor_what_draws() -> None:
    heavy = ["torch", "torchvision", "rich", "typer", "textual", "dae_tui.core", "commands"]
    script = f"""
import importlib, sys
for module in {LIGHT}:
    importlib.import_module(module)
print([module for module in {heavy} if module in sys.modules])
"""

    ended = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )

    assert "dae_tui.runs.folder.reader" in LIGHT
    assert ended.stdout == "[]\n"
