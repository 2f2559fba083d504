"""Entry point of `dae` and of `python -m dae_tui`."""

import os
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line and leave with its exit code."""
    from commands.app import run

    # Before torch is loaded. Threads wait for each other busily, but not for long: a training takes
    # half as long where something else wants the processors too, and no longer where nothing does.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A locale without σ or ▀ gets question marks rather than an error.
            stream.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
