"""Event files as other programs write them, for tests."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

NOW = 1_700_000_000.0
NAME = "events.out.tfevents.1700000000.box.1.0"


def record(event: Event) -> bytes:
    """An event in its frame. The checksums are left empty: nothing here compares them."""
    message: bytes = event.SerializeToString()
    return struct.pack("<QI", len(message), 0) + bytes(message) + bytes(4)


def scalar(tag: str, step: int, value: float, when: float = NOW) -> bytes:
    """A scalar as SummaryWriter writes it."""
    return _event(step, when, Summary.Value(tag=tag, simple_value=value))


def tensor(tag: str, step: int, value: float, *, named: bool, when: float = NOW) -> bytes:
    """A scalar as Keras writes it; the first one of a tag names its plugin."""
    content = TensorProto(dtype=DT_FLOAT, tensor_content=struct.pack("<f", value))
    metadata = _plugin("scalars") if named else None
    return _event(step, when, Summary.Value(tag=tag, tensor=content, metadata=metadata))


def text(tag: str, step: int, words: str, when: float = NOW) -> bytes:
    content = TensorProto(dtype=DT_STRING, string_val=[words.encode()])
    return _event(step, when, Summary.Value(tag=tag, tensor=content, metadata=_plugin("text")))


def image(tag: str, step: int, pixels: np.ndarray, when: float = NOW) -> bytes:
    """An image, (H, W) or (H, W, 3), as SummaryWriter writes it."""
    return _event(
        step, when, Summary.Value(tag=tag, image=Summary.Image(encoded_image_string=png(pixels)))
    )


def images(tag: str, step: int, stack: Sequence[np.ndarray], when: float = NOW) -> bytes:
    """Images as `tf.summary.image` writes them."""
    parts = [b"8", b"8", *map(png, stack)]
    content = TensorProto(dtype=DT_STRING, string_val=parts)
    return _event(step, when, Summary.Value(tag=tag, tensor=content, metadata=_plugin("images")))


def png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


def write(folder: Path, *records: bytes, name: str = NAME) -> Path:
    """An event file with these records after those that it has."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    before = path.read_bytes() if path.exists() else record(Event(file_version="brain.Event:2"))
    path.write_bytes(before + b"".join(records))
    return path


def many(count: int, tag: str = "loss/train") -> bytes:
    """So many scalars, 1 / (1 + step), a hundredth of a second apart, quickly."""
    made = []
    steps = np.arange(count)
    # Records of one length: their steps have as many bytes.
    for first, last in ((0, 1), (1, 128), (128, 1 << 14), (1 << 14, 1 << 21)):
        some = steps[first:last]
        if not len(some):
            continue
        example = np.frombuffer(scalar(tag, first, 0.0), np.uint8)
        rows = np.tile(example, (len(some), 1))
        rows[:, 13:21] = np.ascontiguousarray(NOW + some / 100).view(np.uint8).reshape(-1, 8)
        length = len(example) - len(scalar(tag, 0, 0.0))
        for n in range(length - 1 if first else 0):
            more = 0x80 if n < length - 2 else 0
            rows[:, 22 + n] = some >> 7 * n & 0x7F | more
        values = (1 / (1 + some)).astype("<f4")
        rows[:, -8:-4] = values.view(np.uint8).reshape(-1, 4)
        made.append(rows.tobytes())
    return b"".join(made)


def _event(step: int, when: float, value: Summary.Value) -> bytes:
    return record(Event(wall_time=when, step=step, summary=Summary(value=[value])))


def _plugin(name: str) -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name))
