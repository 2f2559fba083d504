"""The eight symmetries of a square."""

import torch

from dae_tui.core.symmetries import SYMMETRIES, turned, turned_back


def test_all_of_them_differ_and_each_can_be_undone() -> None:
    image = torch.arange(2 * 3 * 4).reshape(2, 3, 4)
    found = [turned(image, turn) for turn in range(SYMMETRIES)]
    assert {tuple(each.shape) for each in found} == {(2, 3, 4), (2, 4, 3)}
    assert len({(each.shape, tuple(each.flatten().tolist())) for each in found}) == SYMMETRIES
    assert torch.equal(found[0], image)
    for turn, each in enumerate(found):
        assert torch.equal(turned_back(each, turn), image)
