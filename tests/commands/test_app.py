"""The command line as a whole: quick, one line and a code for every error."""

import os
import subprocess
import sys
from typing import NoReturn

import pytest
import typer

from dae_tui import __version__
from dae_tui.commands.app import SUBCOMMANDS, run

# None of these may be imported to show help: each costs more than the whole command may.
HEAVY = ("torch", "torchvision", "textual", "matplotlib", "skimage", "scipy", "numpy", "PIL")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--nonsense"]])
def test_help_and_mistakes_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from dae_tui.commands.app import run; run(sys.argv[1:]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    loaded = done.stderr.splitlines()[-1]
    allowed = "['numpy']" if arguments[0] == "train" else "[]"
    assert loaded in ("[]", allowed)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_explains_itself_without_torch(name: str) -> None:
    program = (
        "import sys; from dae_tui.commands.app import run; code = run(sys.argv[1:]);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, name, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: dae " + name in done.stdout


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dae_tui", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"dae {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "no such command 'nothing'"),
        (["train", "--epochs", "many"], "invalid value for '--epochs'"),
        (["denoise", "x.npy"], "no output is named"),
        (["denoise", "x.npy", "-o", "y.npy", "--sigma", "much"], "cannot read the level 'much'"),
        (["denoise", "x.npy", "-o", "y.npy", "--invert", "maybe"], "cannot invert 'maybe'"),
        (["denoise", "x.npy", "-o", "y.npy", "--format", "tga"], "there is no format 'tga'"),
        (["train", "unet", "--set", "blocks"], "cannot read the setting 'blocks'"),
        (["train", "vae"], "there is no network 'vae'"),
        (["train", "--noise", "fog:1"], "there is no noise 'fog'"),
        (["train", "--noise", "gaussian:-1"], "out of range: sigma -1"),
        (["train", "--data", "imagenet"], "there is no data set 'imagenet'"),
        (["train", "--epochs", "0"], "epochs 0 cannot be"),
        (["train", "classifier", "--noise", "gaussian:0.5"], "trained on clean images"),
        (["train", "--widths", "big"], "cannot read the widths 'big'"),
        (["benchmark", "quality", "--noise", "gaussian:-1"], "out of range: sigma -1"),
        (["benchmark", "quality", "--json", "--csv"], "only one of"),
        (["train", "--device", "tpu", "--data", "digits"], "there is no device 'tpu'"),
    ],
)
def test_a_usage_error_is_one_line_and_a_hint(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    error, hint = captured.err.splitlines()
    assert error.startswith("error: ")
    assert says in error
    assert hint.startswith("hint: ")


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "train" in capsys.readouterr().out


def test_an_unexpected_fault_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dae_tui.commands.weights.published", lambda: 1 / 0)
    assert run(["weights", "list"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.setenv("DAE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["weights", "list"])


@pytest.mark.parametrize("arguments", [["weights", "list"], ["weights", "list", "--json"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "dae_tui", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interruption_is_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def say_no() -> NoReturn:
        raise typer.Abort

    monkeypatch.setattr("dae_tui.commands.weights.published", say_no)
    assert run(["weights", "list"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    "typed",
    [
        ["weights", "list", "--{}"],
        ["{}"],
        ["train", "--network{}"],
        ["train", "{}"],
        ["train", "--data", "{}"],
        ["train", "--noise", "{}:1"],
        ["train", "--name", "{}"],
        ["train", "--epochs", "{}"],
        ["train", "--set", "{}"],
        ["train", "--widths", "{}"],
        ["train", "--resume", "{}"],
        ["runs", "show", "{}"],
        ["runs", "list", "--runs-dir", "{}"],
        ["weights", "show", "{}"],
        ["weights", "export", "mnist-dense", "{}"],
        ["denoise", "{}", "-o", "{}.png"],
        ["benchmark", "show", "{}"],
        ["benchmark", "quality", "--methods", "{}"],
        ["dashboard", "--size", "{}"],
        ["dashboard", "--theme", "{}"],
    ],
    ids=" ".join,
)
def test_what_was_typed_is_said_in_one_line_that_steers_nothing(
    typed: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even bytes that are no UTF-8 are a fault of dae."""
    monkeypatch.setenv("DAE_RUNS", "/nowhere")
    hostile = os.fsdecode(b"a\x1b[31m\nhint: b\xff\xc2\x9b")
    code = run([word.format(hostile) for word in typed])
    captured = capsys.readouterr()
    lines = captured.err.split("\n")[:-1]
    kinds = [line.split(" ")[0] for line in lines]
    if typed[:2] == ["runs", "list"]:
        assert (code, kinds) == (0, ["no"])
    else:
        assert code in (1, 2, 3)
        assert kinds in (["error:", "hint:"], ["error:"]), lines
    assert captured.out == ""
    assert "fault of dae" not in captured.err
    assert all(line.isprintable() for line in lines)
