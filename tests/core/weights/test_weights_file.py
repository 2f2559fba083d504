"""Weights files as others may have made them: no file, too large, or not what they say."""

import json
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dae_tui.core.weights.weights_file import load_weights
from dae_tui.errors import WeightsError
from dae_tui.spec.model_cards import METADATA_KEY, published, read_metadata

WHOLE = published()["mnist-autoencoder"]


def file_of(path: Path, header: Any, size: int) -> Path:
    """A safetensors file of so many bytes, mostly a hole."""
    said = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(said)) + said)
        file.truncate(size)
    return path


def refusal(path: Path) -> WeightsError:
    """Why both readers refuse a file, with hardly any memory taken."""
    tracemalloc.start()
    try:
        for read in (read_metadata, load_weights):
            with pytest.raises(WeightsError) as failure:
                read(path)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    return failure.value


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe").message == f"{tmp_path}/pipe is a pipe, not a regular file"
    assert refusal(Path("/dev/zero")).message == "/dev/zero is a device, not a regular file"
    assert refusal(tmp_path).message == f"{tmp_path} is a folder, not a regular file"


@pytest.mark.parametrize("length", [0, 1 << 22, (1 << 30) - 8, 1 << 62])
def test_a_gigabyte_of_zeros_is_not_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", length))
        file.truncate(1 << 30)
    assert "is not a whole safetensors file" in refusal(path).message


@pytest.mark.parametrize(
    "header", [{}, [], 3, {"a": 1}, {"a": {}}, {"a": {"data_offsets": "ab"}}, {"a": None}]
)
def test_a_header_of_another_form_is_refused(tmp_path: Path, header: Any) -> None:
    assert (
        "is not a whole safetensors file"
        in refusal(file_of(tmp_path / "weights", header, 1000)).message
    )


def test_more_than_the_network_needs_is_not_read(tmp_path: Path) -> None:
    stored = {METADATA_KEY: json.dumps(read_metadata(WHOLE))}
    size = (1 << 30) - 8
    length = 0
    for _ in range(3):  # Until the header tells its own length.
        most = size - length
        tensor = {"dtype": "U8", "shape": [most], "data_offsets": [0, most]}
        header = {"__metadata__": stored, "x": tensor}
        length = len(json.dumps(header))
    path = file_of(tmp_path / "weights", header, size + 8)
    assert read_metadata(path)["network"] == "autoencoder"
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match="do not fit the network 'autoencoder'"):
            load_weights(path)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_cut_file_is_known_by_its_header(tmp_path: Path) -> None:
    content = WHOLE.read_bytes()
    assert read_metadata(WHOLE)["network"] == "autoencoder"
    (tmp_path / "cut").write_bytes(content[:-1])
    assert "is not a whole safetensors file" in refusal(tmp_path / "cut").message
