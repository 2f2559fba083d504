"""The grammar of `--loss`."""

import pytest

from dae_tui.errors import UsageError
from dae_tui.spec.loss_spec import LOSS_KINDS, LossTerm, parse_loss, rename_classifier


@pytest.mark.parametrize("kind", LOSS_KINDS)
def test_every_kind_is_a_loss_by_itself(kind: str) -> None:
    assert parse_loss(kind) == (LossTerm(kind),)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("l1+0.1*features", (LossTerm("l1"), LossTerm("features", 0.1))),
        (" 2 * mse + .5*edge ", (LossTerm("mse", 2.0), LossTerm("edge", 0.5))),
        ("1e+3*mse+1e-2*l1", (LossTerm("mse", 1000.0), LossTerm("l1", 0.01))),
        ("0.5*features:/my/run-1/w.safetensors",
         (LossTerm("features", 0.5, "/my/run-1/w.safetensors"),)),
    ],
)  # fmt: skip
def test_terms_are_added_with_their_weights(text: str, terms: tuple[LossTerm, ...]) -> None:
    assert parse_loss(text) == terms
    assert parse_loss("+".join(map(str, terms))) == terms


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "there is no term in the loss ''", "l1+0.1*features"),
        ("l1+", "there is no term in the loss 'l1+'", "write KIND"),
        ("l3", "there is no loss 'l3'", "mse, l1, charbonnier"),
        ("MSE", "there is no loss 'MSE'", "mse"),
        ("-1*l1", "the weight '-1' of l1 cannot be", "above 0"),
        ("0*l1", "the weight '0' of l1 cannot be", "above 0"),
        ("nan*l1", "the weight 'nan' of l1 cannot be", "above 0"),
        ("1e300*l1", "the weight '1e300' of l1 cannot be", "at most"),
        ("*l1", "the weight '' of l1 cannot be", "a number"),
        ("2*3*l1", "the weight '2*3' of l1 cannot be", "a number"),
        ("l1*2", "there is no loss '2'", "WEIGHT*KIND"),
        ("l1+2*l1", "has l1 twice", "a weight"),
        ("l1:mine", "l1 takes no classifier", "features:NAME"),
        ("features:", "the classifier is missing", "features:NAME"),
        ("+".join(["l1"] * 9), "has 9 terms", "at most 8"),
        ("x" * 100_000, "there is no loss 'xxx", "kinds"),
    ],
)
def test_what_is_no_loss_is_refused_with_a_hint(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as failure:
        parse_loss(text)
    assert message in failure.value.message
    assert hint in failure.value.hint
    assert len(failure.value.message) < 300


def test_only_the_name_of_the_classifier_is_changed() -> None:
    assert rename_classifier("l1+0.1*features:run", str.upper) == "l1+0.1*features:RUN"
    assert rename_classifier("2.50*l1+features", str.upper) == "2.50*l1+features"
