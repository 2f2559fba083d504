"""Files that hold a measured noise: `--noise measured.json` means the noise spec in it.

A file is one JSON object: `noise` is the spec, and the rest is what was measured, to be read by
people and other tools: `intensities` and `variances` of the same length, `correlation` between
pixels (rows by columns) and `shared` between channels, `bright_neighbours` and `colour_neighbours`
between neighbouring pixels of the mean of the channels and of what they have beyond it, all null
where they were not measured, `differs` between images, `images`, and `from_pairs`.
"""

import json
from pathlib import Path
from typing import Any

from dae_tui.errors import UsageError
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.system.printable import printable, shortened
from dae_tui.system.regular_files import read_regular

ENDING = ".json"
MOST_BYTES = 1 << 20


def noise_text(text: str) -> str:
    """A noise spec as it was typed, or the one in the file that was named.

    Raises UsageError for a file that cannot be read or holds no noise.
    """
    if not text.strip().lower().endswith(ENDING):
        return text
    path = Path(text.strip()).expanduser()
    try:
        content: Any = json.loads(read_regular(path, MOST_BYTES))
    except (OSError, ValueError, RecursionError) as failure:
        raise UsageError(
            f"the noise {printable(shortened(text))} cannot be read", _why(failure)
        ) from failure
    noise = content.get("noise") if isinstance(content, dict) else None
    if not isinstance(noise, str):
        raise UsageError(
            f"{printable(shortened(text))} holds no noise",
            "it is written by dae noise estimate -o FILE.json",
        )
    parse_noise(noise)
    return noise


def _why(failure: Exception) -> str:
    if isinstance(failure, FileNotFoundError):
        return "there is no such file; dae noise estimate -o FILE.json writes one"
    return "it is a file of JSON, as dae noise estimate -o FILE.json writes it"
