"""What is kept in the cache folder: found again, checked, bounded, and never in the way."""

import os
import threading
from pathlib import Path

from dae_tui.system.cache import Cache


def test_what_is_kept_is_found_under_its_key_alone(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new", 1000)
    assert cache.get("a") is None
    cache.put("a", b"first")
    cache.put("a", b"second")
    cache.put("b", b"")
    again = Cache(tmp_path / "new", 1000)
    assert (again.get("a"), again.get("b"), again.get("c")) == (b"second", b"", None)


def test_damaged_or_exchanged_files_are_as_good_as_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    cache.put("a", b"value")
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:-1], whole[:10], whole[:-1] + b"?", whole + b"0" * 1000):
        path.write_bytes(damaged)
        assert cache.get("a") is None
    path.write_bytes(whole)
    assert cache.get("a") == b"value"
    cache.put("b", b"other")
    (other,) = set(tmp_path.iterdir()) - {path}
    other.replace(path)
    assert cache.get("a") is None
    path.unlink()
    os.mkfifo(path)
    assert cache.get("a") is None


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 3 * (100 + 32))
    for number, key in enumerate("abc"):
        cache.put(key, bytes(100))
        for path in tmp_path.iterdir():
            if path.stat().st_mtime > 1000:
                os.utime(path, (number, number))
    assert cache.get("a") is not None  # It is used: b is the longest unused now.
    cache.put("d", bytes(100))
    assert [cache.get(key) is not None for key in "abcd"] == [True, False, True, True]
    cache.put("e", bytes(1000))  # It would fill the folder alone.
    assert [cache.get(key) is not None for key in "acde"] == [True, True, True, False]


def test_writers_at_the_same_time_leave_whole_files(tmp_path: Path) -> None:
    def write(byte: int) -> None:
        for _ in range(20):
            Cache(tmp_path, 10_000).put("same", bytes([byte]) * 3000)
            found.append(Cache(tmp_path, 10_000).get("same"))

    found: list[bytes | None] = []
    threads = [threading.Thread(target=write, args=(byte,)) for byte in b"ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) <= {b"a" * 3000, b"b" * 3000}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "folder", 1000)
    cache.put("a", b"value")
    assert cache.get("a") is None
