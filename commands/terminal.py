"""The two streams: data on stdout, talk on stderr."""

import sys
from typing import Any

from rich.console import Console

from dae_tui.runs.layout import dump_json


def stdout() -> Console:
    """For results. Off a terminal a table gets the width it needs, so that nothing is cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def stderr() -> Console:
    """For progress and remarks."""
    return Console(stderr=True, highlight=False)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout, at once."""
    print(dump_json(value), flush=True)
