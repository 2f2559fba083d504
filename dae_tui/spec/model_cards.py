"""The metadata and cards of weights files, and the published weights; no torch.

The metadata of a safetensors file is one JSON object under the key `dae-tui`: network, settings,
channels, classes, data, noise, clip, normalisation, seed, epochs, command, versions and, once they
are measured, metrics under `figures`. A card is the same as Markdown, beside the file.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from dae_tui.errors import WeightsError
from dae_tui.models import registry
from dae_tui.models.registry import NETWORKS
from dae_tui.system.regular_files import open_regular

METADATA_KEY = "dae-tui"
MOST_HEADER = 1 << 22
"""Largest size of a header in bytes; those written by dae take some thousand."""
LICENCE = "MIT"
"""Of the published weights, as of the package."""
DATA_LICENCES = {
    "bsds432": "photographs of BSDS500, which are for non-commercial research",
    "camera": "PolyU Real-World Noisy Images (Xu et al. 2018) and photographs of BSDS500, which "
    "are for non-commercial research",
    "digits": "Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, UCI), CC BY 4.0",
    "documents": "NoisyOffice pages (Zamora-Martinez et al., UCI), which are for research",
    "microscopy": "W2S (Zhou et al. 2020), which is for research; the repository that holds these "
    "images is under the GPL-3",
    "mnist": "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0",
    "pages": "NoisyOffice pages (Zamora-Martinez et al., UCI) and photographs of BSDS500, which "
    "are for research",
    "train400": "photographs of BSDS500, which are for non-commercial research",
}
"""What published weights were trained on, by the name of the data, and on what terms."""
PUBLISHED = Path(registry.__file__).parent / "weights"


def published() -> dict[str, Path]:
    """The published weights by name."""
    return {path.stem: path for path in sorted(PUBLISHED.glob("*.safetensors"))}


def codecs() -> dict[str, Path]:
    """The published codecs by name: weights that compress."""
    return {
        name: path
        for name, path in published().items()
        if NETWORKS[read_metadata(path)["network"]].task == "compress"
    }


def weights_name(path: Path) -> str:
    """The name of a weights file in a table: its stem, or its run's name without the time."""
    if path.parts[-3:-2] != ("checkpoints",):
        return path.stem
    return re.sub(r"^\d{8}-\d{6}-", "", path.parents[2].resolve().name)


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a weights file. Raises WeightsError if it has none, or is no whole file.

    Reads the header only and executes nothing: pickles are refused.
    """
    try:
        metadata = json.loads(_read_header(path)["__metadata__"][METADATA_KEY])
    except FileNotFoundError as failure:
        raise WeightsError(f"there are no weights at {path}", "see dae weights list") from failure
    except OSError as failure:
        raise unreadable(path, failure) from failure
    except (KeyError, TypeError, ValueError, RecursionError) as failure:
        raise WeightsError(
            f"{path} holds no description of a network", "use weights that dae train has written"
        ) from failure
    if (
        not isinstance(metadata, dict)
        or not isinstance(metadata.get("network"), str)
        or metadata["network"] not in NETWORKS
        or not isinstance(metadata.get("settings"), dict)
    ):
        raise WeightsError(
            f"{path} names a network that this version does not know",
            f"it knows {', '.join(NETWORKS)}",
        )
    return metadata


def _read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: its length in 8 bytes, then JSON of that length.

    Raises WeightsError unless header and tensors together make up the whole file.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if 8 + length <= min(size, MOST_HEADER) else b""
    try:
        parsed: dict[str, Any] = json.loads(header)
        ends = [entry["data_offsets"][1] for key, entry in parsed.items() if key != "__metadata__"]
        whole = 8 + length + max(ends, default=0) == size
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError):
        whole = False
    if not whole:
        raise WeightsError(
            f"{path} is not a whole safetensors file",
            "weights of dae train are; pickles (.pt, .pth) are never opened, as they can run code",
        )
    return parsed


def unreadable(path: Path, failure: OSError) -> WeightsError:
    """The error for a file that cannot be opened or read."""
    reason = failure.strerror or str(failure)
    if reason.endswith("not a regular file"):
        return WeightsError(f"{path} {reason}", "weights are files: see dae weights list")
    return WeightsError(f"{path} cannot be read: {reason.lower()}", "check the file")


def card(name: str, metadata: dict[str, Any], size: int, licence: str) -> str:
    """The card of weights as Markdown: what they are, how to train them, their metrics.

    `size` is that of the file in bytes.
    """
    summary = NETWORKS[metadata["network"]].summary
    channels = metadata["channels"]
    lines = [
        f"# {name}",
        "",
        f"{summary[0].upper()}{summary[1:]}.",
        "",
        "| | |",
        "|---|---|",
        f"| network | `{metadata['network']}` {_settings(metadata['settings'])} |",
        f"| parameters | {metadata['parameters']:,} ({size / 1e6:.1f} MB) |",
        f"| trained on | {metadata['data']}, {metadata['training_images']:,} images |",
        f"| noise | {_noise(metadata)} |",
        f"| images | {channels} channel{'s' * (channels > 1)}, values in "
        f"{metadata['normalisation']} |",
        f"| seed | {metadata['seed']} |",
        f"| made with | {', '.join(f'{k} {v}' for k, v in metadata['versions'].items())} |",
        f"| licence | {licence} |",
        "",
        "Trained by",
        "",
        f"    {metadata['command']}",
        "",
        *_metrics(metadata),
    ]
    return "\n".join(lines)


def _noise(metadata: dict[str, Any]) -> str:
    """The noise that it was trained with."""
    if metadata["noise"] != "none":
        return f"`{_cell(metadata['noise'])}`" + ", clipped to [0, 1]" * bool(metadata["clip"])
    if metadata.get("pairs"):
        return "that of pairs of noisy and clean images"
    supervision = metadata.get("supervision", "auto")
    return "none" if supervision in ("auto", "clean") else f"that of noisy images: {supervision}"


def _cell(noise: str) -> str:
    """A noise spec in a table, whose cells a bar would separate."""
    return noise.replace("|", "\\|")


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {'-'.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in settings.items()
    )


# Metrics of a card: key, heading, digits. Pairs alone have a fitted PSNR.
_COLUMNS = (
    ("accuracy", "accuracy %", 2),
    ("psnr", "PSNR dB", 2),
    ("psnr_fitted", "fitted PSNR dB", 2),
    ("ssim", "SSIM", 3),
)


def _metrics(metadata: dict[str, Any]) -> list[str]:
    metrics = metadata.get("figures")
    if not metrics:
        return []
    protocol, rows = metrics["protocol"], metrics["rows"]
    seed = protocol.get("seed")
    drawn = "" if seed is None else f" (noise seed {seed})"
    columns = [
        (key, heading, digits)
        for key, heading, digits in _COLUMNS
        if key != "psnr_fitted" or any(row.get(key) is not None for row in rows)
    ]
    lines = [
        f"Measured at the end of that command on {protocol['images']:,} test images of"
        f" {protocol['data']}{drawn}:",
        "",
        f"| view | {' | '.join(heading for _, heading, _ in columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    for row in rows:
        cells = [row["view"] + (f", {_cell(row['noise'])}" if row["noise"] else "")]
        for key, _, digits in columns:
            value = row.get(key)
            cells.append("–" if value is None else f"{value:.{digits}f}")
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
