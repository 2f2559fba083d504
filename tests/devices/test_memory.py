"""Memory, of the machine or of a container with a limit."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from dae_tui.devices.memory import memory
from dae_tui.devices.reading import Reading
from dae_tui.system.control_group import find_limit

TOTAL, AVAILABLE = 1000, 600


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = SimpleNamespace(total=TOTAL, available=AVAILABLE)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: seen)


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    """Control groups /, /job (limited to 500 bytes) and /job/step; this process is in the last."""
    (tmp_path / "self").write_text("4:memory:/other\n0::/job/step\n")
    root = tmp_path / "cgroup"
    for path, limit in (("job", "500"), ("job/step", "max")):
        folder = root / path
        folder.mkdir(parents=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("420\n")
        (folder / "memory.stat").write_text("anon 90\ninactive_file 150\n")
    return root


def test_used_is_what_is_not_available() -> None:
    assert memory(None) == (Reading(400), Reading(1000))


def test_a_limit_above_us_holds_and_file_cache_is_not_used(groups: Path, tmp_path: Path) -> None:
    limited = find_limit(groups, tmp_path / "self")
    assert limited == groups / "job"
    assert memory(limited) == (Reading(270), Reading(500))


def test_the_least_limit_holds(groups: Path, tmp_path: Path) -> None:
    (groups / "job" / "step" / "memory.max").write_text("300\n")
    assert find_limit(groups, tmp_path / "self") == groups / "job" / "step"


@pytest.mark.parametrize("limit", ["max", "2000", "nonsense"])
def test_no_limit_below_the_machine_means_the_machine(groups: Path, limit: str) -> None:
    (groups / "job" / "memory.max").write_text(limit)
    assert memory(groups / "job") == (Reading(400), Reading(1000))


def test_a_group_that_has_gone_means_the_machine(groups: Path) -> None:
    (groups / "job" / "memory.stat").unlink()
    assert memory(groups / "job") == (Reading(400), Reading(1000))


def test_no_groups_no_limit(tmp_path: Path, groups: Path) -> None:
    (groups / "job" / "memory.max").write_text("max\n")
    assert find_limit(groups, tmp_path / "self") is None
    assert find_limit(groups, tmp_path / "missing") is None


def test_memory_that_cannot_be_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError("/proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    assert memory(None)[1] == Reading(None, "no memory figures: /proc/meminfo")
