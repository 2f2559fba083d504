"""CUDA_VISIBLE_DEVICES as CUDA reads it."""

import pytest

from dae_tui.devices.visible import choose

UUIDS = ["GPU-8932f937-d72c", "GPU-8932aaaa-0000", "GPU-55b2c1d0-1111", "GPU-cccc0000-2222"]


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (None, [0, 1, 2, 3]),
        ("2", [2]),
        ("3,0,2", [3, 0, 2]),
        (" 1 , 0 ", [1, 0]),
        ("+1,2gpu", [1, 2]),
        ("GPU-8932f937-d72c", [0]),
        ("GPU-8932f937", [0]),
        ("GPU-cccc,GPU-55", [3, 2]),
        ("MIG-1234,MIG-9", ["MIG-1234", "MIG-9"]),
    ],
)
def test_entries_are_found_in_their_order(listed: str | None, chosen: list[int | str]) -> None:
    assert choose(listed, UUIDS) == (chosen, "")


@pytest.mark.parametrize(
    ("listed", "chosen", "word"),
    [
        ("1,7,0", [1], "'7'"),
        ("0,-1,1", [0], "'-1'"),
        ("GPU-8932,GPU-55", [], "'GPU-8932'"),
        ("GPU-55,GPU-beef,GPU-cccc", [2], "'GPU-beef'"),
        ("8932f937", [], "'8932f937'"),
        ("1,,2", [1], "''"),
        ("none", [], "'none'"),
        ("1,0,1", [], "names 1 twice"),
        ("0,GPU-8932f937", [], "names GPU-8932f937 twice"),
        ("", [], "hides all"),
        ("-1", [], "hides all"),
    ],
)
def test_what_cuda_cannot_resolve_ends_the_list(
    listed: str, chosen: list[int | str], word: str
) -> None:
    found, reason = choose(listed, UUIDS)
    assert found == chosen
    assert word in reason
    assert "CUDA_VISIBLE_DEVICES" in reason
