"""Tables of benchmarks that are kept with the runs."""

import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dae_tui.errors import RunError
from dae_tui.runs.benchmarks import (
    BENCHMARKS,
    FORGOTTEN_SECONDS,
    UnfinishedBenchmark,
    find_table,
    list_tables,
    save_table,
)
from dae_tui.runs.folder.reader import list_runs

ROW = {"view": "denoised", "method": "unet", "accuracy": 97.5, "psnr": 21.0, "ssim": None}


def table(data: str = "mnist") -> dict[str, Any]:
    return {"protocol": {"data": data, "images": 10}, "rows": [ROW]}


def put(runs_dir: Path, name: str, content: str) -> None:
    (runs_dir / BENCHMARKS).mkdir(exist_ok=True)
    (runs_dir / BENCHMARKS / name).write_text(content)


def test_a_table_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = save_table(tmp_path / "runs", table())

    (saved,) = list_tables(tmp_path / "runs")
    assert saved.path == path
    assert saved.protocol == {"data": "mnist", "images": 10}
    assert saved.rows == [ROW]


def test_a_table_is_named_by_its_time_and_its_data(tmp_path: Path) -> None:
    path = save_table(tmp_path, table("fashion-mnist"))

    assert path.parent == tmp_path / "benchmarks"
    assert re.fullmatch(r"\d{8}-\d{6}-fashion-mnist-[0-9a-f]{4}\.json", path.name)
    assert list_tables(tmp_path)[0].name == path.stem


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ("/data/my images", "my-images"),
        ("/data/.hidden", "hidden"),
        ("/data/--x", "x"),
        ("/data/bilder-größe", "bilder-größe"),
        ("/data/a\n\0b", "a-b"),
        ("/", "images"),
        ("..", "images"),
        ("/data/" + 200 * "x", 40 * "x"),
        ("/data/" + 80 * "像", 40 * "像"),
    ],
)
def test_a_folder_of_images_gives_its_name_as_far_as_a_file_name_can_hold_it(
    tmp_path: Path, data: str, word: str
) -> None:
    path = save_table(tmp_path, table(data))

    assert path.name[16:-10] == word
    assert list_tables(tmp_path)[0].protocol["data"] == data


def test_tables_are_listed_from_the_newest_to_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for written in ("20260101-000000", "20260301-000000", "20260201-000000"):
        monkeypatch.setattr(time, "strftime", lambda _, written=written: written)
        save_table(tmp_path, table())

    months = [saved.name[4:6] for saved in list_tables(tmp_path)]
    assert months == ["03", "02", "01"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"protocol": {}}',
        '{"rows": []}',
        '{"protocol": [], "rows": []}',
        '{"protocol": {}, "rows": {}}',
        "\udcff",
    ],
)
def test_files_that_hold_no_table_are_left_out(tmp_path: Path, content: str) -> None:
    kept = save_table(tmp_path, table())
    put(tmp_path, "99999999-broken.json", "")
    (tmp_path / BENCHMARKS / "99999999-broken.json").write_bytes(
        content.encode(errors="surrogateescape")
    )

    assert [saved.path for saved in list_tables(tmp_path)] == [kept]


def test_other_files_and_folders_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt", "{}")
    put(tmp_path, ".1.json.7.tmp", '{"protocol": {}, "rows": []}')
    (tmp_path / BENCHMARKS / "folder.json").mkdir()

    assert list_tables(tmp_path) == []


def test_rows_that_are_no_rows_are_left_out_of_their_table(tmp_path: Path) -> None:
    put(tmp_path, "1.json", '{"protocol": {}, "rows": [1, {"view": "noisy"}, null, [], "x"]}')

    (saved,) = list_tables(tmp_path)
    assert saved.rows == [{"view": "noisy"}]


def test_without_a_folder_there_are_no_tables(tmp_path: Path) -> None:
    assert list_tables(tmp_path / "missing") == []
    (tmp_path / BENCHMARKS).write_text("a file")
    assert list_tables(tmp_path) == []


def test_a_table_that_cannot_be_saved_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / BENCHMARKS).write_text("a file")

    with pytest.raises(OSError):
        save_table(tmp_path, table())


def test_the_tables_are_no_run(tmp_path: Path) -> None:
    save_table(tmp_path, table())

    assert list_runs(tmp_path) == []


def test_pieces_of_an_unfinished_benchmark_are_found_by_what_it_is(tmp_path: Path) -> None:
    first = UnfinishedBenchmark(tmp_path, {"images": 10})
    arrays = {"psnr": np.array([1.5, 2.5]), "setting": np.asarray("size 3")}
    first.write("mean, seed 0", arrays)
    found = UnfinishedBenchmark(tmp_path, {"images": 10}).read("mean, seed 0")
    assert found is not None
    np.testing.assert_array_equal(found["psnr"], arrays["psnr"])
    assert str(found["setting"]) == "size 3"
    assert first.read("mean, seed 1") is None
    assert UnfinishedBenchmark(tmp_path, {"images": 11}).read("mean, seed 0") is None
    assert list_tables(tmp_path) == []
    first.remove()
    assert not (tmp_path / BENCHMARKS / "unfinished").exists()


def test_a_broken_piece_is_made_again_and_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    unfinished = UnfinishedBenchmark(tmp_path, {})
    unfinished.write("mean", {"psnr": np.zeros(3)})
    (piece,) = tmp_path.rglob("*.npz")
    piece.write_bytes(piece.read_bytes()[:40])
    assert unfinished.read("mean") is None
    UnfinishedBenchmark(Path("/proc/nowhere"), {}).write("mean", {"psnr": np.zeros(3)})


def test_what_nobody_goes_on_with_is_removed(tmp_path: Path) -> None:
    UnfinishedBenchmark(tmp_path, {"old": 1}).write("mean", {"psnr": np.zeros(3)})
    (folder,) = (tmp_path / BENCHMARKS / "unfinished").iterdir()
    long_ago = time.time() - FORGOTTEN_SECONDS - 60
    os.utime(folder, (long_ago, long_ago))
    UnfinishedBenchmark(tmp_path, {"new": 1})
    assert not folder.exists()


def test_a_table_is_found_by_the_end_of_its_name(tmp_path: Path) -> None:
    path = save_table(tmp_path, table())
    for text in (path.stem, path.stem[-4:], "latest", str(path)):
        assert find_table(text, tmp_path).path == path
    with pytest.raises(RunError, match="no table 'nothing'"):
        find_table("nothing", tmp_path)
    other = path.with_name(f"20990101-000000-other-{path.stem[-4:]}.json")
    other.write_bytes(path.read_bytes())
    with pytest.raises(RunError, match="means 2 tables"):
        find_table(path.stem[-4:], tmp_path)
