"""`dae denoise` where others put files: pipes, devices, links, gigabytes, and a second start."""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from command_line import Dae
from PIL import Image

from dae_tui.core.denoising.files import pipeline as denoise_files
from dae_tui.core.denoising.small_images import denoise_small
from dae_tui.core.images import formats as kinds
from dae_tui.core.images import output_file
from dae_tui.spec.denoising import DenoiseOptions, Job
from dae_tui.system.atomic import write_new

FAST = ("--weights", "mnist-autoencoder", "--sigma", "0.3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `in` of four PNG files."""
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / "in" / f"{number}.png")
    return tmp_path / "in"


def errors(text: str) -> list[str]:
    return [line.removeprefix("error: ") for line in text.splitlines() if line.startswith("error")]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_denoised(path: Path) -> bool:
    with Image.open(path) as image:
        return image.size == (28, 28)


def sparse(path: Path, start: bytes) -> None:
    with path.open("wb") as file:
        file.write(start)
        file.truncate(1 << 30)


def test_what_is_no_image_file_has_its_line_and_the_rest_is_done(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    os.mkfifo(folder / "a.png")
    (folder / "b.png").symlink_to("/dev/zero")
    sparse(folder / "c.png", b"")
    sparse(folder / "d.png", (folder / "0.png").read_bytes())
    done = dae("denoise", folder, "-o", tmp_path / "out", *FAST)
    assert done.code == 1
    assert errors(done.err) == [
        f"{folder}/a.png is a pipe, not a regular file",
        f"{folder}/b.png is a device, not a regular file",
        f"{folder}/c.png is not an image file that dae can read",
        f"{folder}/d.png has more than the 67,110,488 bytes that its beginning can need",
    ]
    assert "hint: a pipe: dae denoise - < PIPE" in done.err
    assert names(tmp_path / "out") == ["0.png", "1.png", "2.png", "3.png"]


def test_a_reference_and_weights_are_files(dae: Dae, folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    image, out = folder / "0.png", tmp_path / "out.png"
    scored = dae("denoise", image, "-o", out, *FAST, "--reference", tmp_path / "pipe.png")
    assert scored.code == 1
    assert errors(scored.err) == [f"{tmp_path}/pipe.png is a pipe, not a regular file"]
    for weights, kind in ((tmp_path / "pipe.png", "pipe"), (Path("/dev/zero"), "device")):
        refused = dae("denoise", image, "-o", tmp_path / "x.png", "--weights", weights)
        assert refused.code == 3
        assert errors(refused.err) == [f"{weights} is a {kind}, not a regular file"]


class _Input:
    """Standard input."""

    def __init__(self, buffer: BinaryIO) -> None:
        self.buffer = buffer


def test_standard_input_without_end_is_one_line(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/zero", "rb") as endless:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", _Input(endless))
        done = dae("denoise", "-", "-o", tmp_path / "out.png", *FAST)
    assert done.code == 1
    assert errors(done.err) == ["standard input is not an image file that dae can read"]


def test_what_another_process_writes_meanwhile_is_skipped(
    dae: Dae, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def second(path: Path, content: bytes, *, replace: bool = False) -> None:
        if path.name in ("1.png", "2.png"):
            path.write_bytes(b"of the other")
        write_new(path, content, replace=replace)

    monkeypatch.setattr(output_file, "write_new", second)
    done = dae("denoise", folder, "-o", out, *FAST, "--json")
    assert (done.code, done.err) == (0, "")
    lines = {Path(line["output"]).name: line for line in map(json.loads, done.out.splitlines())}
    assert [name for name, line in lines.items() if line.get("skipped")] == ["1.png", "2.png"]
    assert lines["1.png"] == {
        "input": str(folder / "1.png"),
        "output": str(out / "1.png"),
        "skipped": True,
    }
    assert (out / "1.png").read_bytes() == b"of the other"
    for name in names(out):
        (out / name).unlink()
    told = dae("denoise", folder, "-o", out, *FAST)
    assert told.code == 0
    assert "skipped 2 files whose output exists" in told.err
    assert "denoised 2 of 2 files" in told.err
    named = dae("denoise", folder / "1.png", "-o", tmp_path / "2.png", *FAST)
    assert named.code == 1  # Whoever names the file wants that one.
    assert "file exists" in named.err


def test_what_another_process_has_written_is_not_even_read(
    dae: Dae, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    content_of = kinds.content_of
    read = []

    def slow(path: Path, name: str) -> bytes:
        read.append(path.name)
        out.mkdir(exist_ok=True)
        for other in ("1.png", "2.png"):
            (out / other).write_bytes(b"of the other")
        return content_of(path, name)

    monkeypatch.setattr(kinds, "content_of", slow)
    assert dae("denoise", folder, "-o", out, *FAST).code == 0
    assert read == ["0.png", "3.png"]


def test_overwrite_follows_no_link_out_of_the_folder(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for path in (out, elsewhere, folder / "sub"):
        path.mkdir()
    (folder / "3.png").rename(folder / "sub" / "3.png")
    for name in ("0.png", "3.png"):
        (elsewhere / name).write_bytes(b"precious")
    (out / "0.png").symlink_to(elsewhere / "0.png")
    (out / "1.png").symlink_to(elsewhere / "none.png")
    (out / "sub").symlink_to(elsewhere)
    (out / "2.png").symlink_to("inside.png")
    (out / "inside.png").write_bytes(b"an older one")
    done = dae("denoise", folder, "-o", out, "--recursive", "--overwrite", *FAST)
    assert done.code == 1
    assert errors(done.err) == [
        f"{out}/0.png leads out of {out}: {elsewhere}/0.png stays as it is",
        f"{out}/1.png leads out of {out}: {elsewhere}/none.png stays as it is",
        f"{out}/sub/3.png leads out of {out}: {elsewhere}/3.png stays as it is",
    ]
    assert names(elsewhere) == ["0.png", "3.png"]
    assert {path.read_bytes() for path in elsewhere.iterdir()} == {b"precious"}
    assert is_denoised(out / "inside.png")
    assert (out / "2.png").is_symlink()
    # What was named is meant: the link stays one, and its file is replaced.
    link = out / "0.png"
    assert dae("denoise", folder / "0.png", "-o", link, "--overwrite", *FAST).code == 0
    assert link.is_symlink()
    assert is_denoised(elsewhere / "0.png")
    (folder / "1.png").rename(tmp_path / "moved.png")
    (folder / "1.png").symlink_to(tmp_path / "moved.png")
    before = (tmp_path / "moved.png").read_bytes()
    assert dae("denoise", folder, "--in-place", *FAST).code == 0
    assert (folder / "1.png").is_symlink()
    assert (tmp_path / "moved.png").read_bytes() != before


def test_a_link_made_after_the_start_is_not_followed_either(
    dae: Dae, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious.png"
    precious.write_bytes(b"precious")
    out.mkdir()
    (out / "0.png").write_bytes(b"an older one")
    content_of = kinds.content_of

    def linked(path: Path, name: str) -> bytes:
        (out / "0.png").unlink(missing_ok=True)
        (out / "0.png").symlink_to(precious)
        return content_of(path, name)

    monkeypatch.setattr(kinds, "content_of", linked)
    done = dae("denoise", folder / "0.png", "-o", out, "--overwrite", *FAST)
    assert done.code == 1
    assert "leads out of" in done.err
    assert precious.read_bytes() == b"precious"


def test_a_pipe_among_the_outputs_does_not_stop_the_rest(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    os.mkfifo(out / "0.png")
    (out / "1.png").symlink_to("1.png")
    done = dae("denoise", folder, "-o", out, "--overwrite", *FAST)
    assert done.code == 1
    assert errors(done.err) == [
        f"{out}/0.png is no file: nothing is written to it",
        f"{out}/1.png is a link that leads nowhere",
    ]
    assert is_denoised(out / "3.png")


def test_a_start_removes_what_a_killed_one_has_left(dae: Dae, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    left = out / ".dae-00000000-1-0.tmp"
    left.write_bytes(b"half an image")
    os.utime(left, (0, 0))
    assert dae("denoise", folder, "-o", out, *FAST).code == 0
    assert names(out) == ["0.png", "1.png", "2.png", "3.png"]


def test_files_that_say_much_beside_their_pixels_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "BMP")
    for number in range(6):
        (tmp_path / f"{number}.bmp").write_bytes(buffer.getvalue() + bytes(40_000))
    monkeypatch.setattr(denoise_files, "LARGE_BYTES", 100_000)
    waiting = iter([Job(tmp_path / f"{n}.bmp", None, "x") for n in range(6)])
    chunks = [len(denoise_files._read_chunk(waiting, DenoiseOptions(), b"")) for _ in range(2)]
    assert chunks == [3, 3]


def test_a_stack_of_many_small_pages_goes_through_the_network_together(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [Image.new("L", (4, 4), 90 + number % 9) for number in range(100)]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    calls: list[str] = []

    def together(*given: Any) -> Any:
        calls.append("pages")
        return denoise_small(*given)

    monkeypatch.setattr(denoise_files, "denoise_small", together)
    monkeypatch.setattr(denoise_files, "denoise_stack", lambda *given: calls.append("stack"))
    done = dae("denoise", tmp_path / "in.tif", "-o", tmp_path / "out.tif", *FAST)
    assert done.code == 0
    assert calls == ["pages"]
    assert len(kinds.read_file(tmp_path / "out.tif", "x").stacks) == 100
