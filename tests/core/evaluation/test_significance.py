"""Paired tests: what is certain, what is chance, and how often chance is taken for certain."""

import numpy as np
import pytest
from scipy.stats import binomtest

from dae_tui.core.evaluation.significance import sign_test, wilcoxon


def test_the_sign_test_counts_the_images_that_differ_alone() -> None:
    right = np.array([1] * 90 + [1] * 8 + [0] * 2)
    other = np.array([1] * 90 + [0] * 8 + [1] * 2)
    # McNemar's exact test: 8 against 2 in 10 fair throws.
    assert sign_test(right, other) == pytest.approx(binomtest(8, 10).pvalue)
    assert sign_test(right, other) == pytest.approx(112 / 1024)
    assert sign_test(right, right) == 1


def test_with_several_seeds_an_image_counts_once() -> None:
    right, other = np.array([3, 3, 2, 1]), np.array([3, 1, 0, 2])
    assert sign_test(right, other) == pytest.approx(binomtest(2, 3).pvalue)


def test_chance_alone_is_seldom_taken_for_a_difference() -> None:
    generator = np.random.default_rng(0)
    values = [sign_test(*(generator.random((2, 300)) < 0.9).astype(int)) for _ in range(1000)]
    assert np.mean(np.array(values) < 0.05) < 0.06


def test_wilcoxon_sees_a_shift_that_all_images_have() -> None:
    generator = np.random.default_rng(0)
    figures = 20 + generator.normal(size=12)
    assert wilcoxon(figures, figures - 0.3 - 0.1 * generator.random(12)) == pytest.approx(2 / 2**12)
    assert wilcoxon(figures, figures) == 1
