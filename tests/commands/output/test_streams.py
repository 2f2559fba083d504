"""The standard streams: closed, full or gone, they are never a fault and never stop a training."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from command_line import Dae

from dae_tui.commands.output import streams
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import list_runs

FULL = "error: standard output cannot be written: no space left on device\n"
CLOSED = "error: standard output cannot be written: it is not open for writing\n"
SHORT = ["--data", "digits", "--widths", "4,8", "--epochs", "1", "--device", "cpu", "--quiet"]
SHORT += ["--epoch-images", "100"]


def shell(folder: Path, line: str) -> tuple[int, str]:
    """Exit code and stderr of a line of the shell, in which `dae` is the command."""
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; dae() {{ "{sys.executable}" -m dae_tui "$@"; }}; {line}'],
        cwd=folder,
        env=os.environ | {"DAE_RUNS": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("dae --version >/dev/full", 1, FULL),
        ("dae --version >&-", 1, CLOSED),
        ("dae --help >/dev/full", 1, FULL),
        ("dae >&-", 1, CLOSED),
        ("dae runs list --json >/dev/full", 1, FULL),
        ("dae runs list --json >&- 2>&- <&-", 1, ""),
        ("dae --version 2>&-", 0, ""),
        ("dae weights list >/dev/full", 1, FULL),
        ("dae nonsense 2>/dev/full", 2, ""),
        ("dae --help | true", 0, ""),
        # What a command says of its own failure is enough.
        ("dae nonsense >/dev/full", 2, "error: no such command 'nonsense'\nhint: see dae --help\n"),
    ],
)
def test_a_stream_that_takes_nothing_is_one_line(
    line: str, code: int, says: str, tmp_path: Path
) -> None:
    assert shell(tmp_path, line) == (code, says)


def test_no_file_gets_the_number_of_a_closed_stream() -> None:
    program = (
        "import os; from dae_tui.commands.output.streams import open_streams; open_streams();"
        "opened = os.open('/dev/zero', os.O_RDWR);"
        "os._exit(opened * all(os.get_inheritable(n) for n in range(3)))"
    )
    closed = f"'{sys.executable}' -c \"{program}\" <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", closed], check=False).returncode == 3


def on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> streams.Output:
    """Standard output of this process on a full disk."""
    output = streams.Output(os.open("/dev/full", os.O_WRONLY))
    monkeypatch.setattr(sys, "stdout", streams.text_on(output))
    return output


@pytest.mark.parametrize("style", [[], ["--json"]])
def test_a_training_is_kept_where_its_result_cannot_be_printed(
    style: list[str], dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_full_disk(monkeypatch)
    outcome = dae("train", *SHORT, "--svg", tmp_path / "drawn.svg", *style)
    assert (outcome.code, outcome.err) == (1, FULL)
    (run,) = list_runs(tmp_path / "runs")
    assert run.state() is State.FINISHED
    assert run.weights.is_file()
    assert (tmp_path / "drawn.svg").is_file()


def test_every_image_is_denoised_where_the_lines_cannot_be_printed(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.full((28, 28), 80 * number, np.uint8))
    on_a_full_disk(monkeypatch)
    arguments = ["--weights", "mnist-dense", "--device", "cpu", "-o", tmp_path / "out"]
    outcome = dae("denoise", *tmp_path.glob("*.npy"), *arguments, "--json")
    assert (outcome.code, outcome.err) == (1, FULL)
    assert len([*(tmp_path / "out").iterdir()]) == 3


def test_an_image_to_a_full_disk(dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.zeros((28, 28), np.uint8))
    on_a_full_disk(monkeypatch)
    outcome = dae("denoise", tmp_path / "a.npy", "--weights", "mnist-dense", "-o", "-")
    assert (outcome.code, outcome.err.splitlines()[0] + "\n") == (1, FULL)


def test_after_a_failure_nothing_more_is_heard_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    output = on_a_full_disk(monkeypatch)
    with pytest.raises(streams.OutputError, match="no space"):
        print("lost", flush=True)
    assert isinstance(output.failure, streams.OutputError)
    print("lost too", flush=True)


def test_a_stream_that_does_not_wait_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with ThreadPoolExecutor() as readers, os.fdopen(reading, "rb") as reader:
        read = readers.submit(reader.read)
        print("x" * 500_000, file=streams.text_on(streams.Output(writing)), flush=True)
        os.close(writing)
        assert len(read.result()) == 500_001


def test_a_terminal_that_hung_up_is_a_reader_that_has_gone() -> None:
    controller, terminal = os.openpty()
    output = streams.Output(terminal)
    os.close(controller)
    with pytest.raises(BrokenPipeError):
        output.write(b"lost")
    os.close(terminal)


def test_talk_that_cannot_be_written_is_no_failure() -> None:
    talk = streams.text_on(streams._StandardError(os.open("/dev/full", os.O_WRONLY)))
    print("lost", file=talk, flush=True)


def test_a_name_is_exact_for_scripts_and_printable_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    name = os.fsdecode(b"caf\xe9\x1b[31m")
    streams.print_name(name)
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == b"caf\xe9\x1b[31m\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    streams.print_name(name)
    assert capfdbinary.readouterr().out == rb"caf\xe9\x1b[31m" + b"\n"


def test_json_is_as_exact_as_ever(dae: Dae, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "20260101-000000-a\x1b[31m\n-abcd"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (listed,) = json.loads(dae("runs", "list", "--json").out)["runs"]
    assert listed["name"] == folder.name
