"""Folders of runs on the command line."""

from pathlib import Path

import pytest
from command_line import Dae

from dae_tui.commands.options import resolve_places
from dae_tui.runs.ssh_hosts.address import Address


def test_several_folders_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAE_RUNS", "with a space")
    assert resolve_places(["a", "ssh://gpu1/r"]) == [Path("a"), Address("gpu1", "/r")]
    assert resolve_places(None) == [Path("with a space")]
    monkeypatch.delenv("DAE_RUNS")
    assert resolve_places([]) == [Path("runs")]


@pytest.mark.parametrize("command", [["train", "--data", "digits"], ["runs", "pause", "latest"]])
def test_commands_that_write_refuse_other_hosts(
    dae: Dae, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = dae(*command, "--runs-dir", "ssh://gpu1/runs")
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        "error: this command works on the folders of this machine alone",
        "hint: dae dashboard, dae runs list and dae runs show read other hosts",
    ]
    assert list(tmp_path.iterdir()) == []


def test_the_dashboard_refuses_what_is_no_address(dae: Dae) -> None:
    outcome = dae("dashboard", "--runs-dir", "a", "--runs-dir", "ssh://-oProxyCommand=x/r")
    assert outcome.code == 2
    assert outcome.err.startswith("error: cannot read the address 'ssh://-oProxyCommand=x/r'\n")
