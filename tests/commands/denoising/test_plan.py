"""Which files of folders become jobs: links, loops, odd names, and what is counted."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from command_line import Dae
from PIL import Image

from dae_tui.commands.denoising.plan import Place, Plan, plan
from dae_tui.errors import UsageError

FAST = ("--weights", "mnist-autoencoder", "--sigma", "0.3")

Denoised = Callable[..., Plan]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The folder `set`; what it holds is not read."""
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


@pytest.fixture
def planned(images: Path) -> Denoised:
    """The plan for `set` into `out` beside it, or in place."""

    def planned(*inputs: Path | str, recursive: bool = True, in_place: bool = False) -> Plan:
        place = Place(None if in_place else images.parent / "out", in_place=in_place)
        return plan([Path(each) for each in inputs] or [images], place, recursive)

    return planned


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not looked at")
    return path


def below(found: Plan) -> list[str]:
    return [str(job.below) for job in found.jobs]


def failures(found: Plan) -> list[str]:
    return [outcome.error.message for outcome in found.failed if outcome.error]


def test_links_to_folders_are_followed_once_and_outputs_lie_as_the_links_do(
    planned: Denoised, images: Path
) -> None:
    put(images / "one.png")
    put(images / "sub" / "two.png")
    put(images.parent / "real" / "3.png")
    put(images.parent / "real" / "deep" / "4.png")
    for link in ("a", "again"):
        (images / link).symlink_to("../real")
    found = planned()
    assert below(found) == ["one.png", "sub/two.png", "a/3.png", "a/deep/4.png"]
    out = images.parent / "out"
    assert [job.target for job in found.jobs] == [out / name for name in below(found)]
    assert found.passed_over() == "passed over: 1 link to folders that are read already"


def test_links_in_circles_end(planned: Denoised, images: Path) -> None:
    put(images / "sub" / "1.png")
    put(images.parent / "far" / "2.png")
    (images / "sub" / "up").symlink_to("..")
    (images / "sub" / "self").symlink_to("self")
    (images / "far").symlink_to("../far")
    (images.parent / "far" / "back").symlink_to("../set")
    found = planned()
    assert below(found) == ["sub/1.png", "far/2.png"]
    assert found.passed_over() == (
        "passed over: 1 file of other kinds, 2 links to folders that are read already"
    )


def test_odd_names_are_names(planned: Denoised, images: Path) -> None:
    odd = [
        "-.png",
        "*.png",
        "a\nb.png",
        "B.PNG",
        os.fsdecode(b"caf\xe9.png"),
        "[x]/ .png",
        "ü/1.jp2",
    ]
    for name in odd:
        put(images / name)
    assert set(below(planned())) == set(odd)
    assert planned().passed_over() == ""


def test_without_recursion_what_is_not_looked_into_is_counted(
    planned: Denoised, images: Path
) -> None:
    for name in ("1.png", "sub/2.png", "scan.png/3.png", "notes.txt", ".hidden/4.png"):
        put(images / name)
    (images / "link").symlink_to("sub")
    found = planned(recursive=False)
    assert below(found) == ["1.png"]
    # A folder that has the name of an image was perhaps meant to be one.
    assert failures(found) == [f"{images}/scan.png is a folder, not an image"]
    assert found.passed_over() == (
        "passed over: 1 file of other kinds (.txt), 1 hidden, 2 subfolders"
    )
    assert below(planned()) == ["1.png", "scan.png/3.png", "sub/2.png"]


def test_hidden_folders_are_passed_over_unless_they_are_named(
    planned: Denoised, images: Path
) -> None:
    put(images / "1.png")
    put(images / ".cache" / "2.png")
    assert below(planned()) == ["1.png"]
    assert planned().passed_over() == "passed over: 1 hidden"
    assert below(planned(images / ".cache")) == ["2.png"]


def test_a_broken_link_with_the_name_of_an_image_is_still_to_be_read_and_to_fail(
    planned: Denoised, images: Path
) -> None:
    (images / "gone.png").symlink_to("nowhere.png")
    (images / "gone.csv").symlink_to("nowhere.csv")
    (images / "gone").symlink_to("nowhere")
    assert below(planned()) == ["gone.png"]
    assert planned().passed_over() == "passed over: 2 files of other kinds (.csv)"


def test_zarr_stores_and_tables_are_known_by_what_is_in_them(
    planned: Denoised, images: Path
) -> None:
    for name in ("a.zarr", "store", "sub/b.zarr"):
        zarr.create_array(images / name, data=np.zeros((2, 9, 9), np.uint8))
    put(images / "named.zarr" / "1.png")
    (images / "digits.csv").write_text(",".join(["0"] * 784) + "\n")
    (images / "labels.csv").write_text("1.png,7\n")
    expected = ["a.zarr", "digits.csv", "store"]
    found = planned(recursive=False)
    assert below(found) == expected
    assert failures(found) == [f"{images}/named.zarr is a folder, not an image"]
    found = planned()
    assert below(found) == [*expected, "named.zarr/1.png", "sub/b.zarr"]
    assert found.passed_over() == "passed over: 1 file of other kinds (.csv)"


def test_a_folder_that_cannot_be_listed_fails_and_the_rest_is_done(
    planned: Denoised, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(images / "1.png")
    put(images / "closed" / "2.png")
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = planned()
    assert below(found) == ["1.png"]
    assert failures(found) == [f"{images}/closed cannot be read: permission denied"]
    assert found.passed_over() == ""  # It has its own line.


def test_outputs_within_the_inputs_are_no_inputs(images: Path) -> None:
    put(images / "1.png")
    put(images / "out" / "sub" / "1.png")
    (images / "link").symlink_to("out/sub")
    found = plan([images], Place(images / "out"), recursive=True)
    assert below(found) == ["1.png"]
    assert found.passed_over() == ""


def test_a_file_of_two_names_is_denoised_once_in_place(planned: Denoised, images: Path) -> None:
    put(images / "1.png")
    put(images.parent / "real" / "2.png")
    (images / "a.png").symlink_to("1.png")
    (images / "link").symlink_to("../real")
    assert below(planned(in_place=True)) == ["1.png", "link/2.png"]
    twice = planned(images, images / "link", images.parent / "real", in_place=True)
    assert [job.source for job in twice.jobs] == [images / "1.png", images / "link" / "2.png"]
    assert twice.failed == []
    # Elsewhere each name has its own output.
    assert below(planned()) == ["1.png", "a.png", "link/2.png"]


def test_two_sets_of_one_hdf5_file_are_refused_with_what_to_do(
    planned: Denoised, images: Path
) -> None:
    with h5py.File(images / "a.h5", "w") as file:
        file["x"] = file["y"] = np.zeros((9, 9), np.uint8)
    (images / "link.h5").symlink_to("a.h5")
    both = f"{images}/a.h5:/x", f"{images}/a.h5:/y"
    for inputs in (both, (both[0], f"{images}/link.h5:/y")):
        found = planned(*inputs, in_place=True)
        assert [str(job.source) for job in found.jobs] == [both[0]]
        assert failures(found) == [
            f"{inputs[1]} would be written to {inputs[1][:-3]}, as would {both[0]}"
        ]
    found = planned(*both)
    assert len(found.jobs) == 1
    assert found.failed[0].error is not None
    assert "--in-place" in found.failed[0].error.hint


def test_of_several_processes_one_says_what_was_passed_over(images: Path) -> None:
    for name in ("1.png", "2.png", "notes.txt"):
        put(images / name)
    shares = [
        plan([images], Place(images.parent / "out", rank=rank, world=2), recursive=False)
        for rank in range(2)
    ]
    assert [below(share) for share in shares] == [["1.png"], ["2.png"]]
    assert [bool(share.passed_over()) for share in shares] == [True, False]


def test_a_folder_without_images_says_what_is_in_it(planned: Denoised, images: Path) -> None:
    put(images / "notes.txt")
    put(images / "sub" / "1.png")
    with pytest.raises(UsageError, match=r"kinds \(\.txt\), 1 subfolder\)$") as caught:
        planned(recursive=False)
    assert "--recursive" in caught.value.hint


def test_what_was_passed_over_is_the_last_line_and_never_among_the_data(
    dae: Dae, images: Path, tmp_path: Path
) -> None:
    put(tmp_path / "real" / "notes.txt")
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "real" / "1.png")
    (images / "link").symlink_to("../real")
    command = ("denoise", images, "-r", *FAST)
    done = dae(*command, "-o", tmp_path / "a")
    assert done.code == 0
    last = "passed over: 1 file of other kinds (.txt)"
    assert done.err.splitlines()[-1] == last
    assert (tmp_path / "a" / "link" / "1.png").exists()
    as_json = dae(*command, "-o", tmp_path / "b", "--json")
    assert as_json.out.count("\n") == as_json.out.count('"input"') == 1
    assert as_json.err.splitlines() == [last]
    assert dae(*command, "-o", tmp_path / "c", "-q").err == ""
