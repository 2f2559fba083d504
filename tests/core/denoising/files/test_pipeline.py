"""Files from their bytes to their bytes."""

from pathlib import Path

import numpy as np
import pytest
from command_line import Dae
from noisy_pictures import page_of_text
from PIL import Image


def psnr(path: Path) -> float:
    with Image.open(path) as image:
        error = np.asarray(image).astype(float) - page_of_text()
    return float(-10 * np.log10(np.square(error / 255).mean()))


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_the_artefacts_of_a_page_do_not_come_back(dae: Dae, tmp_path: Path, ending: str) -> None:
    given, out = tmp_path / "page.jpg", tmp_path / f"out.{ending}"
    Image.fromarray(page_of_text()).save(given, "JPEG", quality=50, comment=b"kept")
    done = dae("denoise", given, "-o", out)
    assert done.code == 0, done.err
    assert psnr(out) > psnr(given) + 1
    told = "stored as JPEG of quality 95" in done.err
    assert told is (ending == "jpg")
    if ending == "jpg":
        with Image.open(out) as image:
            assert image.info["comment"] == b"kept"


def test_other_jpegs_keep_their_tables(dae: Dae, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 12, page_of_text().shape)
    noisy = (page_of_text() + noise).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "noisy.jpg", "JPEG", quality=90)
    done = dae("denoise", tmp_path / "noisy.jpg", "-o", tmp_path / "out.jpg")
    assert done.code == 0, done.err
    tables = []
    for name in ("noisy.jpg", "out.jpg"):
        with Image.open(tmp_path / name) as image:
            tables.append(image.quantization)  # type: ignore[attr-defined]
    assert tables[0] == tables[1]
    assert psnr(tmp_path / "out.jpg") > psnr(tmp_path / "noisy.jpg")
