"""Make `digits.npz`, the data set that is part of the package, from scikit-learn's copy of it.

    uv run --with scikit-learn python -m dae_tui.core.data.digits.embed_digits

The images are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, UCI Machine Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0): 1 797 digits of
13 writers, 8×8 pixels of 0 to 16. They are stored unchanged; `load_data` enlarges them to 28×28.
"""

import io
import zipfile
from pathlib import Path

import numpy as np

EMBEDDED = Path(__file__).with_name("digits.npz")


def main() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    arrays = {
        "images": digits.images.astype(np.uint8),
        "labels": digits.target.astype(np.uint8),
    }
    # Written member by member with a fixed date, so that the same data make the same file.
    with zipfile.ZipFile(EMBEDDED, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED
            )


if __name__ == "__main__":
    main()
