"""The grammar of `--loss`: `mse`, `l1+0.1*features`, `0.8*ms-ssim+0.2*l1`; no torch.

A loss is a sum of terms joined by `+`. A term is a kind, or `WEIGHT*KIND`; the weight is 1 where it
is left out. `features:NAME` names the classifier whose layers are compared: published weights, a
file or a run, whose path holds neither `+` nor `*`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from dae_tui.errors import UsageError
from dae_tui.system.printable import shortened

LOSS_KINDS = {
    "mse": "mean squared error",
    "l1": "mean absolute error",
    "charbonnier": "absolute error, smooth near zero (Lai et al. 2017)",
    "bce": "binary cross-entropy of each pixel",
    "ssim": "1 - SSIM (Wang et al. 2004)",
    "ms-ssim": "1 - multi-scale SSIM (Wang et al. 2003)",
    "edge": "absolute error of the differences between neighbouring pixels",
    "features": "relative squared error of the layers of a frozen classifier",
}
CROSS_ENTROPY = "cross-entropy"
MOST_TERMS = 8
MOST_WEIGHT = 1e6
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,3})?", re.IGNORECASE)
# The plus of an exponent, as in 1e+3, joins no terms.
_PLUS = re.compile(r"(?<![\d.]e)\+", re.IGNORECASE)
_HINT = "write KIND, WEIGHT*KIND or a sum such as l1+0.1*features; kinds: " + ", ".join(LOSS_KINDS)


@dataclass(frozen=True)
class LossTerm:
    """A kind of loss, how much it counts, and for `features` the classifier; empty: the usual."""

    kind: str
    weight: float = 1.0
    classifier: str = ""

    def __str__(self) -> str:
        kind = f"{self.kind}:{self.classifier}" if self.classifier else self.kind
        return kind if self.weight == 1 else f"{self.weight:g}*{kind}"


def parse_loss(text: str) -> tuple[LossTerm, ...]:
    """The terms of a loss. Raises UsageError for anything else."""
    parts = _PLUS.split(text)
    if len(parts) > MOST_TERMS:
        raise UsageError(
            f"the loss '{shortened(text)}' has {len(parts)} terms", f"it has at most {MOST_TERMS}"
        )
    terms = tuple(_term(part.strip(), text) for part in parts)
    names = [(term.kind, term.classifier) for term in terms]
    for kind, _ in names:
        if sum(name[0] == kind for name in names) > 1:
            raise UsageError(
                f"the loss '{shortened(text)}' has {kind} twice", "give it once, with a weight"
            )
    return terms


def _term(part: str, text: str) -> LossTerm:
    weight, star, name = part.rpartition("*")
    kind, colon, classifier = name.strip().partition(":")
    if kind not in LOSS_KINDS:
        what = f"loss '{shortened(kind)}'" if kind else f"term in the loss '{shortened(text)}'"
        raise UsageError(f"there is no {what}", _HINT)
    if colon and kind != "features":
        raise UsageError(f"{kind} takes no classifier: '{shortened(part)}'", "features:NAME does")
    if colon and not classifier:
        raise UsageError(
            f"the classifier is missing in '{shortened(part)}'",
            "write features, or features:NAME with published weights, a file or a run",
        )
    if not star:
        return LossTerm(kind, classifier=classifier)
    number = weight.strip()
    if not _NUMBER.fullmatch(number) or not 0 < float(number) <= MOST_WEIGHT:
        raise UsageError(
            f"the weight '{shortened(number)}' of {kind} cannot be",
            f"it is a number above 0, at most {MOST_WEIGHT:g}",
        )
    return LossTerm(kind, float(number), classifier)


def rename_classifier(loss: str, rename: Callable[[str], str]) -> str:
    """The same loss with another name for the classifier that it names, if it names one."""
    if ":" not in loss:
        return loss
    terms = parse_loss(loss)
    return "+".join(
        str(replace(term, classifier=rename(term.classifier)) if term.classifier else term)
        for term in terms
    )
