"""Addresses of folders on other hosts: what is read, what is refused, how they are quoted."""

import shlex

import pytest

from dae_tui.errors import UsageError
from dae_tui.runs.ssh_hosts.address import Address, is_address, parse_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh://gpu1/data/runs", Address("gpu1", "/data/runs")),
        ("ssh://me@gpu1.example.org:2222/r", Address("gpu1.example.org", "/r", "me", 2222)),
        ("ssh://gpu1/~/my runs/", Address("gpu1", "~/my runs")),
        ("ssh://[fe80::1]:22/r", Address("fe80::1", "/r", "", 22)),
    ],
)
def test_an_address_is_read_and_written_again(text: str, expected: Address) -> None:
    assert is_address(text)
    assert parse_address(text) == expected
    assert parse_address(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ssh://-oProxyCommand=touch${IFS}x/runs",
        "ssh://-l@gpu1/runs",
        "ssh://$(x)/runs",
        "ssh://a b/runs",
        "ssh://gpu1",
        "ssh://gpu1/",
        "ssh:///runs",
        "ssh://gpu1:0/runs",
        "ssh://gpu1:65536/runs",
        "ssh://gpu1/ru\nns",
        "ssh://gpu1/\x1b[2J",
    ],
)
def test_what_ssh_or_a_shell_could_take_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_address(text)
    assert refused.value.hint
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("path", ["/it's here", "/a b", '/"$HOME"', "/;touch x"])
def test_a_command_reaches_the_other_shell_as_it_is_meant(path: str) -> None:
    line = Address("gpu1", path, "me", 2222).command("runs", "tag", "a b", "--", "x'y")

    here = shlex.split(line)
    assert here[:-1] == ["ssh", "-p", "2222", "me@gpu1"]
    expected = ["dae", "runs", "tag", "a b", "--", "x'y", "--runs-dir", path]
    assert shlex.split(here[-1]) == expected


def test_the_shell_there_finds_its_own_home_folder() -> None:
    line = Address("gpu1", "~/my runs").command("runs", "list")
    assert shlex.split(line)[-1] == "dae runs list --runs-dir ~/'my runs'"


def test_a_file_is_copied_with_scp() -> None:
    assert Address("gpu1", "~/runs", "", 22).copy_command("a/b") == "scp -P 22 gpu1:runs/a/b ."
    assert Address("::1", "/r", "me").copy_command("a") == "scp 'me@[::1]:/r/a' ."
