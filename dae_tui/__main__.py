"""Entry point of `dae` and of `python -m dae_tui`."""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from dae_tui.system.interpreter import QuickEnd, collector_paused
from dae_tui.system.ranks import ranks


def main() -> None:
    """Run the command line and leave with its exit code."""
    end = QuickEnd()
    with collector_paused():
        from dae_tui.commands.app import run

    # Before torch is loaded. Threads wait for each other busily, but not for long: a training takes
    # half as long where something else wants the processors too, and no longer where nothing does.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    # Python starts the processes of multiprocessing with the working folder first on their path,
    # as for -c: a pickle.py that lies there would run.
    os.environ["PYTHONSAFEPATH"] = "1"
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A locale without σ or ▀ gets question marks rather than an error.
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    if ranks().size > 1:
        _leave_at_once(code)
    end.expect(code)
    sys.exit(code)


def _leave_at_once(code: int) -> NoReturn:
    """Leave without the end of the interpreter, at which torch may abort a process of many.

    Its threads still let go of tensors of the last exchange then, as DistributedDataParallel keeps
    them past destroy_process_group: with torch 2.15, one of twenty trainings ended with SIGABRT.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # It may be closed, or None.
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
