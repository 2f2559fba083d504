"""The walk through a folder of images: links, loops, hidden files, and what is counted."""

import errno
import os
from pathlib import Path

import pytest

from dae_tui.core.images.folder import find_images, passed_over


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"content is not looked at")
    return path


def names(root: Path, found: list[Path]) -> list[str]:
    return [str(path.relative_to(root)) for path in found]


def test_images_of_every_known_ending_are_found_below_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("b/2.PAM", "b/1.npy", "a.tif", "c/train-images-idx3-ubyte", "z.png"):
        put(tmp_path / name)
    found = find_images(tmp_path)
    expected = ["a.tif", "z.png", "b/1.npy", "b/2.PAM", "c/train-images-idx3-ubyte"]
    assert names(tmp_path, found.files) == expected
    assert found.passed_over() == []


def test_a_folder_behind_links_is_visited_once(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "1.png")
    put(tmp_path / "elsewhere" / "deeper" / "2.png")
    put(tmp_path / "set" / "0.png")
    for link in ("one", "two"):
        (tmp_path / "set" / link).symlink_to(tmp_path / "elsewhere")
    found = find_images(tmp_path / "set")
    assert names(tmp_path / "set", found.files) == ["0.png", "one/1.png", "one/deeper/2.png"]
    assert found.passed_over() == ["1 link to folders that are read already"]


def test_a_real_folder_goes_before_a_link_to_it(tmp_path: Path) -> None:
    put(tmp_path / "real" / "1.png")
    (tmp_path / "a-link").symlink_to("real")
    found = find_images(tmp_path)
    assert names(tmp_path, found.files) == ["real/1.png"]
    assert found.repeated == 1


def test_links_that_lead_up_or_round_end_no_walk_and_leave_the_folder_never(tmp_path: Path) -> None:
    put(tmp_path / "beside.png")
    put(tmp_path / "set" / "deep" / "1.png")
    (tmp_path / "set" / "deep" / "up").symlink_to("..")
    (tmp_path / "set" / "deep" / "top").symlink_to("../..")
    (tmp_path / "set" / "self").symlink_to("self")
    (tmp_path / "set" / "self.png").symlink_to("self.png")
    found = find_images(tmp_path / "set")
    assert names(tmp_path / "set", found.files) == ["deep/1.png"]
    assert (found.repeated, found.other_kinds) == (2, {"": 1})
    assert names(tmp_path / "set", found.broken_links) == ["self.png"]


def test_a_link_to_a_folder_around_another_visits_the_rest_alone(tmp_path: Path) -> None:
    put(tmp_path / "all" / "a" / "1.png")
    put(tmp_path / "all" / "b" / "2.png")
    (tmp_path / "all" / "a" / "link").symlink_to(tmp_path / "more")
    put(tmp_path / "more" / "3.png")
    (tmp_path / "more" / "back").symlink_to(tmp_path / "all")
    found = find_images(tmp_path / "all")
    assert names(tmp_path / "all", found.files) == ["a/1.png", "b/2.png", "a/link/3.png"]
    assert found.repeated == 1


def test_what_is_passed_over_is_counted_with_its_reason(tmp_path: Path) -> None:
    for name in ("1.png", "a.txt", "b.txt", "c.CSV", "README", ".hidden.png", ".DS_Store"):
        put(tmp_path / name)
    put(tmp_path / ".cache" / "2.png")
    (tmp_path / "3.png").symlink_to("nowhere.png")
    found = find_images(tmp_path)
    assert names(tmp_path, found.files) == ["1.png"]
    assert found.passed_over() == [
        "4 files of other kinds (.txt .csv)",
        "2 hidden",
        "1 broken link",
    ]
    assert passed_over([found, found]).startswith("passed over: 8 files of other kinds")
    assert passed_over([]) == ""


def test_what_is_no_file_but_has_an_image_s_name_is_found_to_be_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert names(tmp_path, find_images(tmp_path).files) == ["pipe.png", "zero.png"]


def test_names_that_all_sorts_of_files_have_are_looked_into(tmp_path: Path) -> None:
    put(tmp_path / "roads.map")
    (tmp_path / "labels.csv").write_text("1.png,7\n")
    (tmp_path / "digits.csv").write_text(",".join(["0"] * 785) + "\n")
    (tmp_path / "protein.map").write_bytes(bytes(208) + b"MAP " + bytes(900))
    (tmp_path / "gone.map").symlink_to("nowhere.map")
    found = find_images(tmp_path)
    assert names(tmp_path, found.files) == ["protein.map"]
    assert found.passed_over() == ["4 files of other kinds (.csv .map)"]
    with_tables = find_images(tmp_path, tables=True)
    assert names(tmp_path, with_tables.files) == ["digits.csv", "protein.map"]


def test_a_folder_is_an_image_by_what_is_in_it_and_not_by_its_name(tmp_path: Path) -> None:
    put(tmp_path / "store" / "zarr.json")
    put(tmp_path / "store" / "c" / "0.png")
    put(tmp_path / "named.zarr" / "1.png")
    put(tmp_path / ".hidden" / ".zarray")
    (tmp_path / "link").symlink_to("store")
    found = find_images(tmp_path)
    assert names(tmp_path, found.files) == ["link", "store", "named.zarr/1.png"]
    assert found.passed_over() == ["1 hidden"]


def test_a_link_to_what_must_not_be_read_is_not_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "closed" / "1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link.png").symlink_to("../closed/1.png")
    stat = Path.stat

    def refused(path: Path, **options: bool) -> os.stat_result:
        if path.name == "link.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    found = find_images(tmp_path / "set")
    assert (names(tmp_path, found.files), found.broken_links) == (["set/link.png"], [])


def test_without_recursion_subfolders_are_counted(tmp_path: Path) -> None:
    put(tmp_path / "1.png")
    put(tmp_path / "sub.png" / "2.png")
    (tmp_path / "link").symlink_to("sub.png")
    found = find_images(tmp_path, recursive=False)
    assert names(tmp_path, found.files) == ["1.png"]
    assert names(tmp_path, found.not_entered) == ["link", "sub.png"]
    assert found.passed_over() == ["2 subfolders"]


def test_the_folder_of_the_outputs_is_left_out(tmp_path: Path) -> None:
    put(tmp_path / "1.png")
    put(tmp_path / "out" / "sub" / "1.png")
    (tmp_path / "link").symlink_to("out")
    (tmp_path / "deep").symlink_to("out/sub")
    found = find_images(tmp_path, leave_out=tmp_path / "out")
    assert names(tmp_path, found.files) == ["1.png"]
    assert found.passed_over() == []
    inside = find_images(tmp_path / "out", leave_out=tmp_path / "out")
    assert names(tmp_path, inside.files) == ["out/sub/1.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_folder_that_cannot_be_listed_is_kept_as_an_error(tmp_path: Path) -> None:
    put(tmp_path / "1.png")
    put(tmp_path / "closed" / "2.png")
    (tmp_path / "closed").chmod(0)
    found = find_images(tmp_path)
    (tmp_path / "closed").chmod(0o755)
    assert [failure.filename for failure in found.unreadable] == [str(tmp_path / "closed")]
    assert found.passed_over() == ["1 folder that cannot be read"]


def test_a_folder_that_is_missing_is_kept_as_an_error(tmp_path: Path) -> None:
    found = find_images(tmp_path / "missing")
    assert (found.files, len(found.unreadable)) == ([], 1)
