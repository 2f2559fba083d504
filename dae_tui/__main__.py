"""Entry point of `dae` and of `python -m dae_tui`."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from commands.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
