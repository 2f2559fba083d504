"""Notifications arrive at a command, an address and the bell, each once."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dae_tui.dashboard.notifier import Notifier, check_targets
from dae_tui.errors import DaeError, UsageError
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.writer import RunWriter

PATIENCE = 20.0


class Server:
    """An HTTP server on loopback that refuses at first, if it is told to."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.refused = 0
        self.refusing = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if server.refused < server.refusing:
                    server.refused += 1
                    self.send_response(503)
                else:
                    server.got.append(json.loads(body))
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def notifier(runs_dir: Path, *targets: str, **options: Any) -> Notifier:
    usual: dict[str, Any] = {"bell": lambda: None, "tell": lambda _: None}
    made = Notifier(runs_dir, targets, 600, seconds=0.02, wait_seconds=0.02, **usual | options)
    made.start()
    return made


def command(tmp_path: Path) -> tuple[str, Callable[[], list[dict[str, Any]]]]:
    """A command that keeps what it is told, and that."""
    script, kept = tmp_path / "keep.py", tmp_path / "kept.jsonl"
    script.write_text(f"import sys\nopen({str(kept)!r}, 'a').write(sys.stdin.read())\n")

    def read() -> list[dict[str, Any]]:
        lines = kept.read_text().splitlines() if kept.exists() else []
        return [json.loads(line) for line in lines]

    return f"{sys.executable} {script}", read


def test_every_target_is_told_once(tmp_path: Path, server: Server) -> None:
    told, read = command(tmp_path)
    rung: list[None] = []
    runs_dir = tmp_path / "runs"
    made = notifier(runs_dir, told, server.address, "bell", bell=lambda: rung.append(None))
    until((runs_dir / ".notified.json").exists)
    with RunWriter(runs_dir / "live") as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.RUNNING)
        writer.status(State.FINISHED, val_loss=0.01)
    until(lambda: rung and server.got and read())
    time.sleep(0.1)
    made.close()
    (event,) = read()
    assert server.got == [event]
    assert len(rung) == 1
    assert (event["event"], event["run"], event["val_loss"]) == ("finished", "live", 0.01)
    assert event["folder"] == str((runs_dir / "live").resolve())


def test_what_is_refused_is_sent_again_and_told_of_once(tmp_path: Path, server: Server) -> None:
    told, read = command(tmp_path)
    server.refusing = 3
    errors: list[DaeError] = []
    runs_dir = tmp_path / "runs"
    made = notifier(runs_dir, told, server.address, tell=errors.append)
    until((runs_dir / ".notified.json").exists)
    with RunWriter(runs_dir / "live") as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.FAILED, "nan")
    until(lambda: server.got)
    made.close()
    assert server.refused == 3
    assert len(server.got) == len(read()) == 1  # The command got it at the first try.
    assert [error.message for error in errors] == ["not told yet that live has failed"]
    assert "503" in errors[0].hint


def test_what_could_not_be_sent_is_sent_by_the_next_dashboard(
    tmp_path: Path, server: Server
) -> None:
    runs_dir = tmp_path / "runs"
    server.refusing = 10**9
    made = notifier(runs_dir, server.address)
    until((runs_dir / ".notified.json").exists)
    with RunWriter(runs_dir / "live") as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.FINISHED)
    until(lambda: server.refused)
    made.close()
    assert server.got == []
    server.refusing = 0
    made = notifier(runs_dir, server.address)
    until(lambda: server.got)
    made.close()
    assert [event["event"] for event in server.got] == ["finished"]


def test_what_cannot_be_told_is_refused_at_once() -> None:
    check_targets([f"{sys.executable} -c pass", "http://127.0.0.1/x", "bell"])
    with pytest.raises(UsageError, match="there is no command 'no-such-command'"):
        check_targets(["no-such-command --now"])
    with pytest.raises(UsageError, match="cannot read the command"):
        check_targets(["say '"])
