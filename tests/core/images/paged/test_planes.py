"""The order of planes: each once, and those of a box one after the other."""

import numpy as np
import pytest

from dae_tui.core.images.paged import planes as module
from dae_tui.core.images.paged.planes import PlaneReader, Planes, PlaneWriter


@pytest.mark.parametrize("most", [1 << 26, 2000, 1])
@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((7, 8, 9), (3, 8, 9)), ((2, 3, 5, 8, 9), (2, 2, 2, 4, 4)), ((8, 9), (8, 9))],
)
def test_all_planes_box_by_box(
    shape: tuple[int, ...], chunks: tuple[int, ...], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BOX_BYTES", most)
    planes = Planes(shape, chunks, 2, 4)
    lead = shape[:-2]
    places = [planes.index(number) for number in range(len(planes))]
    assert sorted(places) == sorted(np.ndindex(*lead))
    boxes = [planes.box(place) for place in places]
    ends = [number for number in range(len(planes)) if planes.ends_box(number)]
    assert len(ends) == len({str(box) for box in boxes})
    values = np.arange(np.prod(shape)).reshape(shape)
    reader, copy = PlaneReader(values, planes), np.zeros_like(values)
    writer = PlaneWriter(copy, planes)
    for place in places:
        np.testing.assert_array_equal(reader.read(place), values[place])
        writer.write(reader.read(place))
    np.testing.assert_array_equal(copy, values)


def test_boxes_take_no_more_memory_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BOX_BYTES", 10 * 72 * 4)
    planes = Planes((100, 8, 9), (64, 8, 9), 2, 4)
    sizes = [planes.box(planes.index(number))[0] for number in range(100)]
    assert max(box.stop - box.start for box in sizes) <= 10
    assert Planes((100, 8, 9), (1, 8, 9), 2, 4).box((3,))[0].stop == 4
