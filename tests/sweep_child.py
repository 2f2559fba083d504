"""A stand-in for `dae train` in the background: it writes a run's folder, and trains nothing."""

import sys
from pathlib import Path

import pytest

# The learning rate says what comes of it: 9 fails, 8 ends before it begins, 7 trains until it is
# stopped, but only the first time; others finish with themselves and the seed as loss.
CHILD = """
import os, sys, time
from pathlib import Path
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.stop_signals import Signals
from dae_tui.runs.folder.writer import RunWriter

folder = Path(sys.argv[sys.argv.index("--resume") + 1])
config = Run(folder).config()
lr, seed = config["lr"], config["seed"]
if lr == 8:
    print("error: no memory\\nhint: buy some", flush=True)
    sys.exit(1)
with Signals() as signals, RunWriter(folder) as writer:
    begun = Run(folder).status().get("step")
    writer.describe(config, {})
    writer.status(State.RUNNING, step=1, epochs=config["epochs"])
    names = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
    writer.log("environment " + " ".join(os.environ.get(name, "-") for name in names))
    deadline = time.monotonic() + 30
    while lr == 7 and begun is None and not signals.stop.is_set() and time.monotonic() < deadline:
        time.sleep(0.02)
    code = 143 if signals.stopping() else 1 if lr == 9 else 0
    if code == 143:
        writer.status(State.STOPPED, reason="a signal ended it")
    elif code == 1:
        writer.status(State.FAILED, reason="it diverged")
        print("error: it diverged\\nhint: slower", flush=True)
    for step, loss in enumerate((lr + seed / 1000, lr + seed / 1000 + 0.5), 1):
        event = {"epoch": step, "step": step, "val_loss": loss, "best": step == 1}
        event |= {"val_psnr": 20 + seed, "val_accuracy": 90.0}
        if code == 0:
            writer.record({"event": "validation", **event})
            writer.status(State.RUNNING, **event)
    if code == 0:
        writer.status(State.FINISHED, test_accuracy=95.0)
sys.exit(code)
"""


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings in the background be such stand-ins."""
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{CHILD}")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
