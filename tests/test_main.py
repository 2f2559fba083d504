"""`dae` and `python -m dae_tui` run nothing that happens to lie in the working folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dae_tui
from dae_tui.version import __version__

ROOT = Path(dae_tui.__file__).parents[1]
# Names of Python, of libraries and of our own two other packages.
STRANGERS = ("json.py", "typing.py", "rich.py", "commands.py", "models/__init__.py", "pickle.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with modules that leave a file when they are imported."""
    for name in STRANGERS:
        stranger = tmp_path / "here" / name
        stranger.parent.mkdir(parents=True, exist_ok=True)
        stranger.write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write(__name__ + ' ')")
    return tmp_path / "here"


def python(folder: Path, *arguments: str, **environment: str) -> str:
    """What Python prints in `folder`, where `-P` and PYTHONSAFEPATH do not hold."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=inherited | environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported(folder: Path) -> list[str]:
    """The strangers that were imported."""
    left = folder.parent / "imported"
    return left.read_text().split() if left.exists() else []


@pytest.mark.parametrize(
    "typed",
    [
        ["-m", "dae_tui"],
        ["-u", "-m", "dae_tui"],  # As torchrun has it.
        ["-umdae_tui"],
        ["-W", "default", "-X", "utf8", "-m", "dae_tui.__main__"],
    ],
    ids=" ".join,
)
def test_modules_of_the_working_folder_are_not_imported(folder: Path, typed: list[str]) -> None:
    assert python(folder, *typed, "weights", "list", "--json").startswith('{"')
    assert imported(folder) == []


def test_the_stranger_is_imported_where_nothing_prevents_it(folder: Path) -> None:
    """Or the tests above would say nothing."""
    python(folder, "-c", "import json, commands")
    assert imported(folder) == ["json", "commands"]


@pytest.mark.parametrize(
    "importing",
    [
        ["-c", "import sys; before = [*sys.path]; import dae_tui; print(sys.path == before)"],
        ["-m", "theirs"],
        ["-m", "theirs", "dae_tui"],  # Here dae_tui is a word of theirs.
        ["-m", "theirs", "-m", "dae_tui"],
    ],
    ids=lambda words: " ".join(words)[:20],
)
def test_importing_the_package_leaves_the_path_as_it_is(
    tmp_path: Path, importing: list[str]
) -> None:
    package = tmp_path / "theirs"
    package.mkdir()
    # Imported while Python still looks for what -m is to run.
    (package / "__init__.py").write_text(
        "import sys; before = [*sys.path]; import dae_tui; same = sys.path == before"
    )
    (package / "__main__.py").write_text("from theirs import same; print(same)")
    assert python(tmp_path, *importing) == "True\n"


def test_a_path_without_the_working_folder_is_left_as_it_is(tmp_path: Path) -> None:
    """With -P its first entry is another one, here that of the package itself."""
    said = python(tmp_path, "-P", "-m", "dae_tui", "--version", PYTHONPATH=str(ROOT))
    assert said == f"dae {__version__}\n"


@pytest.mark.parametrize("typed", ["--version", "weights list"])
def test_a_copy_of_the_source_that_is_not_installed_runs_where_it_lies(
    tmp_path: Path, typed: str
) -> None:
    shutil.copytree(ROOT / "dae_tui", tmp_path / "dae_tui")
    (tmp_path / "json.py").write_text("raise SystemExit('a json.py was imported')")
    # -S: what is installed is found by PYTHONPATH alone, and so the package is not.
    libraries = os.pathsep.join(entry for entry in sys.path if entry.endswith("-packages"))
    said = python(tmp_path, "-S", "-m", "dae_tui", *typed.split(), PYTHONPATH=libraries)
    assert said.startswith(f"dae {__version__}" if typed == "--version" else "name ")


def test_processes_that_a_command_starts_import_nothing_from_the_working_folder(
    folder: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, dae_tui.commands.app as app, dae_tui.__main__ as program\n"
        "def run(arguments):\n"
        "    process = multiprocessing.get_context('spawn').Process(target=print)\n"
        "    process.start()\n"
        "    process.join()\n"
        "    return process.exitcode\n"
        "if __name__ == '__main__':\n"
        "    app.run = run\n"
        "    program.main()\n"
    )
    assert python(folder, str(script)) == "\n"
    assert imported(folder) == []
