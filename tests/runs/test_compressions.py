"""Tables of compressions that are kept with the runs."""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from dae_tui.runs.compressions import (
    COMPRESSIONS,
    list_compressions,
    read_compression,
    save_compression,
)
from dae_tui.runs.folder.reader import list_runs

STEP = {"units": 6, "ratio": 42.7, "squared_error": 14.2, "psnr": 24.6}


def table(file: str = "out/camera.dae") -> dict[str, Any]:
    return {"file": file, "protocol": {"patch": 16}, "steps": [STEP], "rows": [{"method": "dae"}]}


def put(runs_dir: Path, name: str, content: str) -> Path:
    (runs_dir / COMPRESSIONS).mkdir(exist_ok=True)
    path = runs_dir / COMPRESSIONS / name
    path.write_text(content)
    return path


def test_a_table_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = save_compression(tmp_path / "runs", table())

    assert list_compressions(tmp_path / "runs") == [path]
    saved = read_compression(path)
    assert saved is not None
    assert (saved.path, saved.name) == (path, path.stem)
    assert saved.protocol == {"patch": 16}
    assert saved.steps == [STEP]
    assert saved.rows == [{"method": "dae"}]


@pytest.mark.parametrize(
    ("file", "word"),
    [
        ("out/camera.dae", "camera"),
        ("my photo.dae", "my-photo"),
        ("..x.dae", "x"),
        ("-.dae", "images"),
    ],
)
def test_a_table_is_named_by_its_time_and_its_file(tmp_path: Path, file: str, word: str) -> None:
    path = save_compression(tmp_path, table(file))

    assert path.parent == tmp_path / "compressions"
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{word}-[0-9a-f]{{4}}\.json", path.name)


def test_tables_are_listed_from_the_newest_to_the_oldest_and_are_no_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for written in ("20260101-000000", "20260301-000000", "20260201-000000"):
        monkeypatch.setattr(time, "strftime", lambda _, written=written: written)
        save_compression(tmp_path, table())

    assert [path.name[4:6] for path in list_compressions(tmp_path)] == ["03", "02", "01"]
    assert list_runs(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"protocol": {}, "rows": []}', '{"protocol": 1, "steps": []}'],
)
def test_a_file_that_holds_something_else_is_no_table(tmp_path: Path, content: str) -> None:
    assert read_compression(put(tmp_path, "x.json", content)) is None


def test_what_is_no_step_and_no_row_is_left_out(tmp_path: Path) -> None:
    content = '{"protocol": {}, "steps": [1, null, {"units": 3}], "rows": "none"}'
    saved = read_compression(put(tmp_path, "x.json", content))
    assert saved is not None
    assert saved.steps == [{"units": 3}]
    assert saved.rows == []


def test_a_pipe_in_the_place_of_a_table_makes_nobody_wait(tmp_path: Path) -> None:
    (tmp_path / COMPRESSIONS).mkdir()
    os.mkfifo(tmp_path / COMPRESSIONS / "x.json")
    (path,) = list_compressions(tmp_path)
    assert read_compression(path) is None


def test_there_are_none_where_there_is_no_folder(tmp_path: Path) -> None:
    assert list_compressions(tmp_path / "nothing") == []
