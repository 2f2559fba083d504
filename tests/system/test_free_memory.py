"""The memory that a process can still get."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from dae_tui.system import free_memory as module
from dae_tui.system.free_memory import free_memory


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=600))


@pytest.mark.parametrize(("limit", "free"), [("500", 230), ("2000", 600), ("100", 0), ("max", 600)])
def test_it_is_the_less_of_machine_and_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, free: int
) -> None:
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("420")
    (tmp_path / "memory.stat").write_text("anon 90\ninactive_file 150\n")
    monkeypatch.setattr(module, "find_limit", lambda: tmp_path)
    assert free_memory() == free


def test_without_a_container_it_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_limit", lambda: None)
    assert free_memory() == 600
