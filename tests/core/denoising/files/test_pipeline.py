"""How files are read to be denoised."""

from io import BytesIO
from pathlib import Path

import pytest
from noisy_pictures import page_of_text
from PIL import Image

from dae_tui.core.denoising.files.pipeline import _read
from dae_tui.spec.denoising import Job


@pytest.mark.parametrize(("kind", "removed"), [(None, False), ("jpeg", False), ("png", True)])
def test_artefacts_count_where_the_file_is_not_compressed_again(
    kind: str | None, removed: bool
) -> None:
    written = BytesIO()
    Image.fromarray(page_of_text()).save(written, "JPEG", quality=60)
    job = Job(Path("page.jpg"), Path("out"), "page.jpg", kind=kind)
    [stack] = _read(written.getvalue(), job).stacks
    assert (stack.compression_error > 0) is removed
