"""What the messages of event files say: scalars, images and texts.

The package `tensorboard` decodes them, 8 s for a million (its own EventAccumulator takes 53 s).
Most messages differ only in time, step and value: those are taken from their places in many
messages at once, which tensorboard's decoding of some of them confirms.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.errors import DaeError
from dae_tui.runs.event_files.records import TIME_FIELD, Bytes, Ints, Records

Floats = NDArray[np.float64]

STEP_FIELD = 0x10
STEP_PLACE = 9
# Fewer messages of one length are decoded one by one, as are longer ones.
LEAST_ALIKE, LONGEST_ALIKE = 8, 512
# The most kinds of messages (a tag, a length of the step) among those of one length.
MOST_KINDS = 64
# Scalars first, as old files name no plugin.
SCALARS, IMAGES, TEXT = "scalars", "images", "text"


@dataclass(frozen=True)
class ImagePlace:
    """Where an image is kept."""

    file: str
    offset: int
    """Of the message that holds it, in bytes."""
    length: int
    value: int
    """Which of the message's values it is."""


@dataclass
class Messages:
    """What a piece of a file says, in its order."""

    scalars: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    """Steps and values by tag, (N,) each."""
    images: list[tuple[str, int, ImagePlace]] = field(default_factory=list)
    """Tag, step and place."""
    texts: list[tuple[float, int, str, str]] = field(default_factory=list)
    """Time in seconds since 1970, step, tag and text."""
    times: Floats = field(default_factory=lambda: np.empty(0))
    """When the last messages were written, in seconds since 1970."""


def needs_tensorboard(what: str) -> None:
    """Raise DaeError, which names the command to install it, if tensorboard is not there."""
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        raise DaeError(
            f"{what} needs the package tensorboard, which is not installed",
            "pip install 'dae-tui[tensorboard]'",
        )


class Decoder:
    """Decodes the messages of one run, whose first values tell the kind of later ones."""

    def __init__(self) -> None:
        # Imported here: a third of a second, and only for those who have such files.
        from tensorboard.compat.proto.event_pb2 import Event

        self._parse = Event.FromString
        self._plugins: dict[str, str] = {}
        self._now = Messages()
        self._parts: dict[str, list[tuple[Ints, Ints, Floats]]] = {}

    def decode(self, piece: bytes, records: Records, file: str, offset: int) -> Messages:
        """What the records of a piece say, which begins at `offset` of `file`."""
        self._now, self._parts = Messages(), {}
        self._file, self._offset = file, offset
        content = np.frombuffer(piece, np.uint8)
        order = np.argsort(records.lengths, kind="stable")
        lengths, begins = np.unique(records.lengths[order], return_index=True)
        alone: list[Ints] = []
        for length, alike in zip(lengths.tolist(), np.split(order, begins[1:]), strict=True):
            few = len(alike) < LEAST_ALIKE or length > LONGEST_ALIKE
            alone.append(
                alike if few else self._decode_alike(content, records.offsets, alike, length)
            )
        for index in sorted(np.concatenate(alone).tolist() if alone else []):
            self._decode_one(piece, index, int(records.offsets[index]), int(records.lengths[index]))
        self._now.times = _times(content, records)
        for tag, parts in self._parts.items():
            places, steps, values = (np.concatenate(each) for each in zip(*parts, strict=True))
            sequence = np.argsort(places, kind="stable")
            self._now.scalars[tag] = steps[sequence].astype(np.float64), values[sequence]
        return self._now

    def _decode_alike(self, content: Bytes, offsets: Ints, alike: Ints, length: int) -> Ints:
        """Decode messages of one length together; returns those that must be decoded alone."""
        left, alone = alike, []
        windows = np.lib.stride_tricks.sliding_window_view(content, length)
        rows = windows[offsets[left]]
        for _ in range(MOST_KINDS):
            if not len(left):
                break
            kind = self._kind(rows[0])
            same = np.zeros(len(left), np.bool_)
            if kind is not None:
                same = ((rows ^ rows[0]) & kind.mask == 0).all(axis=1)
            if kind is None or not self._take(kind, left[same], rows[same]):
                same[0] = True
                alone.append(left[same])
            left, rows = left[~same], rows[~same]
        return np.concatenate([*alone, left])

    def _kind(self, row: Bytes) -> "_Kind | None":
        """What messages like this one share; None if it is no single scalar."""
        message = row.tobytes()
        event = self._parsed(message)
        if event is None or len(event.summary.value) != 1 or row[0] != TIME_FIELD:
            return None
        (value,) = event.summary.value
        known = self._scalar(value)
        if known is None:
            return None
        place = message.rfind(struct.pack("<f", known))
        steps = 0
        if message[STEP_PLACE] == STEP_FIELD:
            steps = 1
            while message[STEP_PLACE + steps] & 0x80:
                steps += 1
        if place <= STEP_PLACE + steps:
            return None
        mask = np.full(len(row), 0xFF, np.uint8)
        mask[1:STEP_PLACE] = 0
        mask[STEP_PLACE + 1 : STEP_PLACE + 1 + steps] = 0x80  # The last byte has it not.
        mask[place : place + 4] = 0
        return _Kind(value.tag, mask, steps, place)

    def _take(self, kind: "_Kind", places: Ints, rows: Bytes) -> bool:
        """Take the scalars of messages of one kind; False if tensorboard reads them otherwise."""
        steps = np.zeros(len(rows), np.int64)
        for n in range(kind.steps):
            steps |= (rows[:, STEP_PLACE + 1 + n] & 0x7F).astype(np.int64) << 7 * n
        values = rows[:, kind.place : kind.place + 4].copy().view("<f4")[:, 0].astype(np.float64)
        for row in {0, len(rows) // 2, len(rows) - 1}:
            event = self._parsed(rows[row].tobytes())
            if event is None or len(event.summary.value) != 1:
                return False
            known = self._scalar(event.summary.value[0])
            same = known is not None and np.array_equal(known, values[row], equal_nan=True)
            if not same or event.step != steps[row] or event.summary.value[0].tag != kind.tag:
                return False
        self._parts.setdefault(kind.tag, []).append((places, steps, values))
        return True

    def _decode_one(self, piece: bytes, index: int, offset: int, length: int) -> None:
        event = self._parsed(piece[offset : offset + length])
        if event is None:
            return
        for number, value in enumerate(event.summary.value):
            known = self._scalar(value)
            if known is not None:
                part = np.array([index]), np.array([event.step]), np.array([known])
                self._parts.setdefault(value.tag, []).append(part)
            elif value.HasField("image") or self._plugin(value) == IMAGES:
                place = ImagePlace(self._file, self._offset + offset, length, number)
                self._now.images.append((value.tag, event.step, place))
            elif self._plugin(value) == TEXT and value.HasField("tensor"):
                for text in value.tensor.string_val:
                    words = text.decode(errors="replace")
                    tag = value.tag.removesuffix("/text_summary")  # Which torch appends.
                    self._now.texts.append((event.wall_time, event.step, tag, words))

    def _parsed(self, message: bytes) -> Any:
        """The message; None if it is none."""
        from google.protobuf.message import DecodeError

        try:
            return self._parse(message)
        except DecodeError:
            return None

    def _plugin(self, value: Any) -> str:
        """Which of TensorBoard's plugins a value is for; later values of a tag do not say it."""
        named = value.metadata.plugin_data.plugin_name
        if named:
            self._plugins[value.tag] = named
        return named or self._plugins.get(value.tag, "")

    def _scalar(self, value: Any) -> float | None:
        """The number that a value is; None for images, texts, histograms and all else."""
        if value.HasField("simple_value"):
            return float(value.simple_value)
        if not value.HasField("tensor") or self._plugin(value) != SCALARS:
            return None
        from tensorboard.util.tensor_util import make_ndarray

        try:
            return float(make_ndarray(value.tensor))
        except (TypeError, ValueError):
            return None


@dataclass(frozen=True)
class _Kind:
    """Messages with one scalar that differ in time, step and value alone."""

    tag: str
    mask: Bytes
    """The bits that all of them share."""
    steps: int
    """The bytes of the step."""
    place: int
    """Of the value, four bytes."""


def _times(content: Bytes, records: Records) -> Floats:
    """When the last messages were written."""
    last = records.offsets[-100:][records.lengths[-100:] > STEP_PLACE]
    last = last[content[last] == TIME_FIELD]
    if not len(last):
        return np.empty(0)
    rows = np.lib.stride_tricks.sliding_window_view(content, 8)[last + 1]
    times: Floats = np.ascontiguousarray(rows).view("<f8")[:, 0]
    return times[np.isfinite(times)]


def encoded_images(message: bytes, number: int) -> Iterator[bytes]:
    """The images (PNG, JPEG or GIF) of a value of a message."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        value = Event.FromString(message).summary.value[number]
    except (DecodeError, IndexError):
        return
    if value.HasField("image"):
        yield value.image.encoded_image_string
    else:
        yield from value.tensor.string_val[2:]  # After width and height.
