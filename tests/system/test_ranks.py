"""Which process this is among those that were started together."""

import pytest

from dae_tui.system.ranks import Ranks, ranks


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_alone_where_nobody_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch)
    assert ranks() == Ranks(0, 1, 0)


def test_as_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, RANK="5", WORLD_SIZE="8", LOCAL_RANK="1")
    assert ranks() == Ranks(5, 8, 1)


@pytest.mark.parametrize(("rank", "size"), [("2", "2"), ("-1", "2"), ("one", "2"), ("0", "")])
def test_what_makes_no_sense_is_nothing(
    monkeypatch: pytest.MonkeyPatch, rank: str, size: str
) -> None:
    environment(monkeypatch, RANK=rank, WORLD_SIZE=size)
    assert ranks() == Ranks()
