"""Breaks whole files in many ways: nothing but a plain error may come of them."""

import random
import resource
import time

from dae_tui.core.images.formats import encode, read
from dae_tui.errors import DataError

# Field sizes that promise too much.
LARGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x40")
SECONDS = 10


def broken(whole: bytes, dice: random.Random) -> bytes:
    """A file with some bytes changed, often in its header, or cut, lengthened or repeated."""
    content = bytearray(whole)
    for _ in range(dice.choice((1, 1, 2, 8))):
        within = min(len(content), dice.choice((64, 600, 10**9)))
        content[dice.randrange(within)] = dice.choice((dice.randrange(256), 255, 0))
    how = dice.randrange(5)
    if how == 1:
        del content[dice.randrange(len(content)) :]
    elif how == 2:
        content += dice.randbytes(dice.randrange(1, 99))
    elif how == 3:
        at = dice.randrange(len(content))
        content[at:at] = content[at // 2 : at]
    elif how == 4:
        at = dice.randrange(max(1, len(content) - 8))
        content[at : at + 4] = dice.choice(LARGE)
    return bytes(content)


def check_broken(whole: bytes, seed: str, count: int = 100) -> int:
    """Read broken files, and write those that can be read; returns how many were refused."""
    dice = random.Random(seed)
    return sum(check_refused(broken(whole, dice)) for _ in range(count))


def check_refused(content: bytes) -> bool:
    """Whether a file is refused with one line that names it; all else must be read and written."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    try:
        file = read(content, "broken")
        assert all(stack.values.ndim == 4 and stack.values.size for stack in file.stacks)
        assert isinstance(encode(file, file.stacks, "broken"), bytes)
        return False
    except DataError as failure:
        assert "broken" in failure.message
        assert "\n" not in failure.message
        return True
    finally:
        assert time.monotonic() - began < SECONDS
        # In kilobytes on Linux: nothing was made that a header had promised.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000
