"""Paired tests: is one method better than another on the same images, or is it chance?"""

import numpy as np
from numpy.typing import NDArray

SIGN_TEST = "sign test (McNemar's, exact)"
WILCOXON = "Wilcoxon signed-rank test"


def sign_test(right: NDArray[np.integer], other: NDArray[np.integer]) -> float:
    """The two-sided p-value of the exact sign test on how often two methods were right.

    With one prediction per image it is McNemar's exact test (McNemar 1947).

    Args:
        right: (N,), how many predictions for each image were right.
        other: the same for the other method.
    """
    from scipy.stats import binomtest

    better, worse = int((right > other).sum()), int((right < other).sum())
    if better + worse == 0:
        return 1.0
    return float(binomtest(better, better + worse).pvalue)


def wilcoxon(metrics: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test on metrics (N,) of the same images."""
    from scipy.stats import wilcoxon as test

    if np.array_equal(metrics, other):
        return 1.0
    return float(test(metrics, other).pvalue)
