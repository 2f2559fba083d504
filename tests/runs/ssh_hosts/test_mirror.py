"""What is kept of a host: whole, private, bounded, and without a way out of its folder."""

import os
import stat
import time
from pathlib import Path

import pytest

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import CONFIG, METRICS, STATUS
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.runs.ssh_hosts.connection import Stamp
from dae_tui.runs.ssh_hosts.mirror import INDEX, Mirror

RUN = "20260131-235959-mnist-autoencoder-3f2a"
OTHER = "20260131-235959-digits-dense-0000"
GPU1 = Address("gpu1", "/runs")
AT = Stamp(5, 6, 7)


def test_files_are_kept_and_known_to_the_next_dashboard(tmp_path: Path) -> None:
    mirror = Mirror(GPU1, tmp_path / "hosts")
    mirror.write((RUN, STATUS), AT, b"{}")
    mirror.write((RUN, "samples/00000001.npz"), AT, b"npz")
    mirror.close()

    again = Mirror(GPU1, tmp_path / "hosts")
    assert again.folder == mirror.folder
    assert again.stamps == {(RUN, STATUS): AT, (RUN, "samples/00000001.npz"): AT}
    assert again.runs() == {RUN}
    assert (again.folder / RUN / STATUS).read_bytes() == b"{}"
    again.close()


def test_a_file_that_was_removed_here_is_read_again(tmp_path: Path) -> None:
    mirror = Mirror(GPU1, tmp_path / "hosts")
    mirror.write((RUN, STATUS), AT, b"{}")
    mirror.close()
    (mirror.folder / RUN / STATUS).unlink()

    again = Mirror(GPU1, tmp_path / "hosts")
    assert again.stamps == {}
    again.close()


def test_metrics_grow_and_begin_anew(tmp_path: Path) -> None:
    mirror = Mirror(GPU1, tmp_path / "hosts")
    for offset, piece in ((0, b"one\n"), (4, b"two\n")):
        mirror.add(RUN, AT, offset, piece)
    assert (mirror.folder / RUN / METRICS).read_bytes() == b"one\ntwo\n"
    assert mirror.size((RUN, METRICS)) == 8
    mirror.add(RUN, AT, 0, b"1\n")
    assert (mirror.folder / RUN / METRICS).read_bytes() == b"1\n"
    mirror.close()


@pytest.mark.parametrize(
    "file", [("..", STATUS), (".", STATUS), (RUN, "../x"), (RUN, "samples/../../x"), ("/x", CONFIG)]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, file: tuple[str, str]) -> None:
    mirror = Mirror(GPU1, tmp_path / "hosts")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match="not the name"):
        mirror.write(file, AT, b"")
    assert sorted(tmp_path.rglob("*")) == before
    mirror.forget([file[0]])
    assert mirror.folder.is_dir()
    mirror.close()


def test_the_folders_are_the_users_alone(tmp_path: Path) -> None:
    mirror = Mirror(GPU1, tmp_path / "hosts")
    for folder in (mirror.folder, mirror.folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    mirror.close()


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "hosts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="it is not a folder of yours"):
        Mirror(GPU1, tmp_path / "hosts")


def test_two_dashboards_have_a_folder_each(tmp_path: Path) -> None:
    first, second = (Mirror(GPU1, tmp_path / "hosts") for _ in range(2))
    assert first.folder != second.folder
    first.close()
    third = Mirror(GPU1, tmp_path / "hosts")
    assert third.folder == first.folder
    second.close()
    third.close()


def test_the_largest_go_first_but_not_what_is_shown(tmp_path: Path) -> None:
    mirror = Mirror(GPU1, tmp_path / "hosts")
    for run, count in ((RUN, 50), (OTHER, 40)):
        mirror.add(run, AT, 0, b"x" * count)
        mirror.write((run, STATUS), AT, b"{}")
    mirror.trim({RUN}, most=60)

    assert mirror.size((RUN, METRICS)) == 50
    assert (OTHER, METRICS) not in mirror.stamps and mirror.size((OTHER, METRICS)) == 0
    assert mirror.runs() == {RUN, OTHER}
    mirror.close()


def test_a_host_that_nobody_looks_at_is_forgotten(tmp_path: Path) -> None:
    old = Mirror(Address("gpu2", "/runs"), tmp_path / "hosts")
    old.close()
    Mirror(GPU1, tmp_path / "hosts").close()
    assert old.folder.exists()
    long_ago = time.time() - 31 * 86_400
    os.utime(old.folder / INDEX, (long_ago, long_ago))
    Mirror(GPU1, tmp_path / "hosts").close()
    assert not old.folder.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"files": [["..", "x", 1, 2, 3], [1], null]}'])
def test_an_index_that_is_broken_or_lies_is_not_believed(tmp_path: Path, content: str) -> None:
    mirror = Mirror(GPU1, tmp_path / "hosts")
    mirror.close()
    (mirror.folder / INDEX).write_text(content)
    again = Mirror(GPU1, tmp_path / "hosts")
    assert again.stamps == {}
    again.close()
