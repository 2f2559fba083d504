"""Zarr of versions 2 and 3, and OME-Zarr: a folder, or an archive of one, through zarr.

A folder comes here as the bytes of an uncompressed archive, and leaves as one.
"""

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import cpu
from zarr.storage import MemoryStore

from dae_tui.core.images.codecs.arrays import joined, plain
from dae_tui.core.images.codecs.science.values import as_images, check_values, image_shape
from dae_tui.core.images.codecs.science.zarr_arrays import (
    Array,
    check_array,
    find_arrays,
    metadata,
)
from dae_tui.core.images.file_content import FOLDER_MOST, Source, check_unpacked
from dae_tui.core.images.image_file import (
    About,
    ImageFile,
    Stack,
    check_pixels,
    check_stacks,
)
from dae_tui.errors import DataError
from dae_tui.system.packed_folder import MOST_FILES, PackedFolder, check_name, pack_files

_LABELS = "labels"
Pyramids = list[list[str]]
"""The paths of the levels of each image, the finest first."""


def read(content: bytes, name: str) -> ImageFile:
    """The images of a Zarr store: a stack for each array whose last two axes are an image.

    Of an OME-Zarr these are the finest levels; the smaller ones are made anew from them. Labels and
    arrays of fewer axes stay as they are.
    Raises DataError for stores without images, for codecs that are not known to be harmless, and
    for stores that are not whole.
    """
    store = _files(content, name)
    found = select(store, name)
    opened = _memory(store)
    stacks = [_stack(opened, array) for array in found.chosen]
    encode = partial(_encode, store=store, found=found)
    return ImageFile("zarr", stacks, encode, About(), found.remarks)


@dataclass(frozen=True)
class Selection:
    """The arrays of a store that are images."""

    chosen: list[Array]
    """Of the finest levels."""
    arrays: dict[str, Array]
    """All of the store, by their paths."""
    pyramids: Pyramids
    """Those whose smaller levels are made anew."""
    remarks: tuple[str, ...]


def select(store: Mapping[str, bytes], name: str, together: bool = True) -> Selection:
    """The images of a store by its metadata. Raises DataError as `read`.

    Unless they are decoded `together`, each plane of them alone may not have too many pixels.
    """
    arrays = {array.path: array for array in find_arrays(store, name)}
    pyramids = [[path for path in levels if path in arrays] for levels in _pyramids(store, name)]
    smaller = {path for levels in pyramids for path in levels[1:]}
    chosen = [
        array
        for array in arrays.values()
        if array.path not in smaller and _LABELS not in array.path.split("/") and _is_image(array)
    ]
    if not chosen:
        for array in arrays.values():
            if array.dtype is not None and array.dtype.kind == "c":
                check_values(array.dtype, name)
        raise DataError(f"{name} has no array with images", "it needs one of two or more axes")
    check_stacks(name, len(chosen), "arrays")
    if together:
        check_pixels(name, sum(math.prod(array.shape) for array in chosen))
    finest = {array.path for array in chosen}
    rebuilt = [levels for levels in pyramids if len(levels) > 1 and levels[0] in finest]
    touched = finest.union(*rebuilt)
    for path in touched:
        _check(arrays[path], store, name, together)
    remarks = []
    if rebuilt:
        remarks.append("its smaller levels are made anew from the finest, as means of its pixels")
    if any(_LABELS in path.split("/") for path in arrays):
        remarks.append("its labels stay as they are")
    return Selection(chosen, arrays, rebuilt, tuple(remarks))


def bounds(source: Source, name: str) -> tuple[int, int]:
    """What is in an archive stands at its end; it may have as many bytes as a folder."""
    return 0, FOLDER_MOST


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A store of version 3 with one array, or of a group with one for each stack. Drops `about`."""
    made: dict[str, Any] = {}
    store = MemoryStore(made)
    if len({(stack.values.shape[1:], stack.values.dtype) for stack in stacks}) == 1:
        _create(store, "", plain(joined(stacks, "zarr")))
    else:
        zarr.create_group(store, zarr_format=3)
        for number, stack in enumerate(stacks):
            _create(store, str(number), plain(joined([stack], "zarr")))
    return _packed(made)


def _create(store: Any, path: str, values: NDArray[Any]) -> None:
    shape = image_shape(values.shape, values.dtype)
    assert shape is not None
    piece = (*[1] * (values.ndim - 2), *(min(side, 1024) for side in values.shape[-2:]))
    if shape[3] > 1:
        piece = (*[1] * (values.ndim - 3), *(min(side, 1024) for side in shape[1:3]), shape[3])
    array = zarr.create_array(
        store, name=path or None, shape=values.shape, dtype=values.dtype, chunks=piece
    )
    array[...] = values


def _files(content: bytes, name: str) -> dict[str, bytes]:
    """The files of an archive by their paths. Raises DataError for those that lead out of it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(members) > MOST_FILES:
            raise DataError(f"{name} has more than {MOST_FILES:,} files in it")
        check_unpacked(name, len(content), sum(entry.file_size for entry in members))
        if not all(check_name(entry.filename) for entry in members):
            raise DataError(f"{name} has files in it that lead out of it")
        return {entry.filename: archive.read(entry) for entry in members}


def _pyramids(store: Mapping[str, bytes], name: str) -> Pyramids:
    """The levels that the metadata of OME-Zarr (0.4 and 0.5) name."""
    found: Pyramids = []
    for key in sorted(store):
        folder, _, file = key.rpartition("/")
        if file not in (".zattrs", "zarr.json"):
            continue
        said: Any = metadata(store, key, name)
        if file == "zarr.json":
            said = said.get("attributes") or {}
            said = said.get("ome") or said
        for scales in said.get("multiscales") or []:
            paths = [str(level["path"]).strip("/") for level in scales["datasets"]]
            found.append([f"{folder}/{path}" if folder else path for path in paths])
    return found


def _is_image(array: Array) -> bool:
    if array.dtype is None or array.dtype.kind not in "buif":
        return False
    return image_shape(array.shape, array.dtype) is not None


def _check(array: Array, store: Mapping[str, bytes], name: str, together: bool) -> None:
    if array.dtype is None:
        raise DataError(f"{name} is damaged: {array.path} holds no numbers")
    check_values(array.dtype, name)
    plane = None if together else image_shape(array.shape, array.dtype)
    check_pixels(name, *(array.shape if plane is None else plane[1:3]))
    check_array(array, store, name)


def _memory(store: Mapping[str, bytes]) -> Any:
    return MemoryStore({key: cpu.Buffer.from_bytes(value) for key, value in store.items()})


def open_array(opened: Any, array: Array, mode: Literal["r", "r+"] = "r+") -> Any:
    """An array of a store of zarr's, or of a folder."""
    return zarr.open_array(
        opened, path=array.path, mode=mode, zarr_format=3 if array.version == 3 else 2
    )


def _stack(opened: Any, array: Array) -> Stack:
    values = as_images(np.asarray(open_array(opened, array)[...]))
    return Stack(values, alpha=values.shape[-1] == 4)


def _encode(stacks: Sequence[Stack], store: Mapping[str, bytes], found: Selection) -> bytes:
    opened = _memory(store)
    values = {}
    for stack, array in zip(stacks, found.chosen, strict=True):
        values[array.path] = stack.values.reshape(array.shape)
        open_array(opened, array)[...] = values[array.path]
    for levels in found.pyramids:
        finest = values[levels[0]]
        for path in levels[1:]:
            array = found.arrays[path]
            assert array.dtype is not None
            open_array(opened, array)[...] = smaller(finest, array.shape).astype(array.dtype)
    return _packed(opened._store_dict)


def _packed(store: Mapping[str, Any]) -> PackedFolder:
    return pack_files((key, bytes(value.to_bytes())) for key, value in store.items())


def smaller(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """A coarser level of an image: means of blocks, or the nearest pixels if they do not fit.

    Args:
        values: the finest level.
        shape: of the level, with as many axes.
    """
    if len(shape) != values.ndim or any(
        new > old for new, old in zip(shape, values.shape, strict=True)
    ):
        raise DataError("its levels do not fit each other")
    means = values
    for axis, new in enumerate(shape):
        means = _along(means, axis, new)
    if values.dtype.kind in "ui":
        means = np.rint(means)
    if values.dtype.kind == "b":
        means = means >= 0.5
    return np.asarray(means.astype(values.dtype, copy=False))


def _along(values: NDArray[Any], axis: int, new: int) -> NDArray[Any]:
    """Shorter along one axis; means are floats."""
    old = values.shape[axis]
    if old == new:
        return values
    factor = round(old / new)
    if not (new - 1) * factor < old <= (new + 1) * factor:
        return np.asarray(values.take((np.arange(new) * old) // new, axis))
    used = values.take(range(min(old, new * factor)), axis)
    starts = np.arange(0, used.shape[axis], factor)
    wide = np.float64 if values.dtype.itemsize > 2 and values.dtype != np.float32 else np.float32
    sums = np.add.reduceat(used.astype(wide, copy=False), starts, axis)
    lengths = np.diff(np.append(starts, used.shape[axis])).astype(wide)
    along = [-1 if place == axis else 1 for place in range(values.ndim)]
    return np.asarray(sums / lengths.reshape(along))
