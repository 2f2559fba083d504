"""Finding records, of which many follow each other."""

import pytest
from event_examples import many, scalar, text

from dae_tui.runs.event_files.records import DamagedError, find_records, first_record

SEVERAL = [scalar("loss", 1, 0.5), text("note", 2, "words " * 30), *[scalar("a", 3, 0.1)] * 3]


def test_every_record_is_found_wherever_the_piece_ends() -> None:
    piece = b"".join(SEVERAL)
    ends = [sum(map(len, SEVERAL[: n + 1])) for n in range(len(SEVERAL))]
    for cut in range(len(piece) + 1):
        found = find_records(piece[:cut])
        whole = [end for end in ends if end <= cut]
        assert len(found.offsets) == len(whole)
        assert found.end == max(whole, default=0)


def test_offsets_and_lengths_are_those_of_the_messages() -> None:
    found = find_records(b"".join(SEVERAL))
    assert found.lengths.tolist() == [len(each) - 16 for each in SEVERAL]
    starts = [sum(map(len, SEVERAL[:n])) for n in range(len(SEVERAL))]
    assert (found.offsets - 12).tolist() == starts


def test_a_record_that_is_larger_than_the_piece_says_how_much_it_takes() -> None:
    large = text("note", 0, "x" * 5000)
    found = find_records(large[:1000])
    assert (found.end, found.wanted) == (0, len(large))


def test_a_length_that_no_record_has_is_damage_after_the_whole_ones() -> None:
    found = find_records(SEVERAL[0] + b"\xff" * 40)
    assert (len(found.offsets), found.end) == (1, len(SEVERAL[0]))
    with pytest.raises(DamagedError):
        find_records(b"\xff" * 40)


@pytest.mark.parametrize("start", [1, 17, 30, 43, 1000])
def test_a_record_is_found_from_the_middle(start: int) -> None:
    piece = many(200)
    found = first_record(piece[start:])
    assert found is not None
    whole = find_records(piece)
    assert start + found in (whole.offsets - 12).tolist()


def test_nothing_is_found_in_noise() -> None:
    assert first_record(bytes(range(256)) * 20) is None
    assert first_record(b"") is None
