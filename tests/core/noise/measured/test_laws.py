"""The simplest law of the variance over the intensity that explains what was measured."""

import numpy as np
import pytest

from dae_tui.core.noise.measured.laws import simplest_law, variances_of
from dae_tui.spec.noise_spec import NoiseStage, parse_noise

AT = np.linspace(0.1, 0.9, 20)
WHITE = 0.0, 0.0, 0.0


@pytest.mark.parametrize(
    "spec",
    [
        "gaussian:0.1",
        "poisson:30",
        "speckle:0.2",
        "poisson-gaussian:0.01,0.002",
        "correlated:0.1,0.7,0.2,0.5",
        "poisson-gaussian:0.01,0.002,0.7,0.2,0.5",
    ],
)
def test_a_law_is_found_by_its_variances(spec: str) -> None:
    stage = parse_noise(spec).only_stage
    assert stage is not None
    extras = stage.extras[-3:] if len(stage.extras) >= 3 else WHITE
    wiggle = 1 + 0.02 * np.sin(40 * AT)
    found = simplest_law(AT, variances_of(stage, AT) * wiggle, (extras[0], extras[1], extras[2]), 0)
    assert found.kind == stage.kind
    assert found.low == pytest.approx(stage.low, rel=0.05)
    assert found.extras == pytest.approx(stage.extras, rel=0.1)


def test_light_tails_are_those_of_uniform_noise() -> None:
    found = simplest_law(AT, np.full(20, 0.03), WHITE, -0.6)
    assert found.kind == "uniform"
    assert found.low == pytest.approx(0.3)
    assert variances_of(NoiseStage.at("uniform", 0.3), AT) == pytest.approx(np.full(20, 0.03))
