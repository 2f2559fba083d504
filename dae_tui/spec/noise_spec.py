"""The noise-spec grammar: `gaussian:0.5`, `gaussian:0-0.8`, `poisson:30+salt-pepper:0.05`, `none`.

A spec is a chain of stages joined by `+`. A stage is `kind:level`, or `kind:low-high` for a level
drawn for each image. Levels are in units of the image range [0, 1]; `25/255` is a level too.
Alternatives are joined by `|`, and each image gets one of them: `gaussian:0-0.2|salt-pepper:0.1`.
A chain has at most `MOST_STAGES`, a spec at most `MOST_ALTERNATIVES`. Parsing needs no torch, so a
bad spec is refused at once.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from dae_tui.errors import UsageError
from dae_tui.system.printable import shortened


@dataclass(frozen=True)
class NoiseKind:
    """What the level of a kind of noise means and which levels exist."""

    level: str
    low: float
    high: float
    summary: str
    low_included: bool = True
    whole: bool = False


KINDS = {
    "gaussian": NoiseKind("sigma", 0, 10, "additive white Gaussian noise"),
    "poisson": NoiseKind("peak", 0, 1e6, "photon counting, PEAK photons at white", False),
    "speckle": NoiseKind("sigma", 0, 10, "multiplicative Gaussian noise"),
    "salt-pepper": NoiseKind("fraction", 0, 1, "pixels set to black or white"),
    "impulse": NoiseKind("fraction", 0, 1, "pixels set to a random grey"),
    "uniform": NoiseKind("half-width", 0, 10, "additive uniform noise"),
    "masking": NoiseKind("fraction", 0, 1, "pixels set to black"),
    "stripes": NoiseKind("sigma", 0, 10, "one offset per row, or per column"),
    "quantize": NoiseKind("bits", 1, 16, "clipping to [0, 1], 2^BITS levels", whole=True),
    "compress": NoiseKind("ratio", 1, 1000, "compression by a learned codec, values by codes"),
}

# nan and inf are parsed, so that they are refused as levels out of range.
# Digits can match in one way only, or refusing a long row of them would take quadratic time.
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_LEVEL = rf"[+-]?(?:{_NUMBER}|nan|inf)(?:/{_NUMBER})?"
_STAGE = re.compile(
    rf"(?P<kind>[a-z]+(?:-[a-z]+)*):(?P<low>{_LEVEL})(?:-(?P<high>{_LEVEL}))?", re.IGNORECASE
)
_SWEEP = re.compile(
    rf"(?P<kind>[a-z]+(?:-[a-z]+)*):(?P<low>{_LEVEL})\.\.(?P<high>{_LEVEL})/(?P<count>\d{{1,9}})",
    re.IGNORECASE,
)
MOST_LEVELS = 100
# Every stage is drawn for every batch; nobody needs more.
MOST_STAGES = 16
MOST_ALTERNATIVES = 16
_SWEEP_HINT = f"write gaussian:0.1..1.0/10 for 10 levels; 2 to {MOST_LEVELS}, from low to high"
_HINT = (
    "write KIND:LEVEL, KIND:LOW-HIGH, a chain with + or alternatives with |; kinds: "
    + ", ".join(KINDS)
    + ", or none"
)


@dataclass(frozen=True)
class NoiseStage:
    """One kind of noise at a level, or at a level drawn per image from [low, high]."""

    kind: str
    low: float
    high: float

    def __str__(self) -> str:
        low, high = _written(self.low), _written(self.high)
        return f"{self.kind}:{low}" if low == high else f"{self.kind}:{low}-{high}"


@dataclass(frozen=True)
class NoiseChain:
    """Stages that are applied from the first to the last; without any, images stay clean."""

    stages: tuple[NoiseStage, ...] = ()

    def __str__(self) -> str:
        return "+".join(map(str, self.stages)) or "none"

    @property
    def quantizes(self) -> bool:
        """Whether its images are clipped to [0, 1] in any case, because they are quantized."""
        return any(stage.kind == "quantize" for stage in self.stages)

    def covers(self, other: "NoiseChain") -> bool:
        """Whether every noise of `other` is possible with this chain as well."""
        return len(self.stages) == len(other.stages) and all(
            mine.kind == theirs.kind and mine.low <= theirs.low <= theirs.high <= mine.high
            for mine, theirs in zip(self.stages, other.stages, strict=True)
        )


@dataclass(frozen=True)
class NoiseSpec:
    """Alternative chains; one is drawn for each image, each equally often."""

    chains: tuple[NoiseChain, ...] = (NoiseChain(),)

    @classmethod
    def of(cls, *stages: NoiseStage) -> "NoiseSpec":
        """A single chain of stages."""
        return cls((NoiseChain(stages),))

    def __str__(self) -> str:
        return "|".join(map(str, self.chains))

    @property
    def is_none(self) -> bool:
        """Whether images stay clean."""
        return not any(chain.stages for chain in self.chains)

    @property
    def only_stage(self) -> NoiseStage | None:
        """The stage of a spec that has just one."""
        if len(self.chains) == 1 and len(self.chains[0].stages) == 1:
            return self.chains[0].stages[0]
        return None

    def covers(self, other: "NoiseSpec") -> bool:
        """Whether every noise of `other` is possible with this spec as well."""
        return all(any(mine.covers(theirs) for mine in self.chains) for theirs in other.chains)


def parse_noise(text: str) -> NoiseSpec:
    """Parse a noise spec. Raises UsageError, which says what is allowed."""
    chains = text.split("|")
    if len(chains) > MOST_ALTERNATIVES:
        raise UsageError(
            f"the noise has {len(chains)} alternatives: '{shortened(text)}'",
            f"a noise has at most {MOST_ALTERNATIVES}",
        )
    return NoiseSpec(tuple(_parse_chain(chain, text) for chain in chains))


def _parse_chain(chain: str, text: str) -> NoiseChain:
    """One of the alternatives of the spec `text`."""
    if chain.strip().lower() == "none":
        return NoiseChain()
    # Before a digit or a point, a plus is the sign of a level; elsewhere it joins two stages.
    parts = re.split(r"\+(?!\d|\.)", chain)
    if len(parts) > MOST_STAGES:
        raise UsageError(
            f"the noise has {len(parts)} stages: '{shortened(chain)}'",
            f"a chain has at most {MOST_STAGES}",
        )
    return NoiseChain(tuple(_parse_stage(part.strip(), text) for part in parts))


def parse_level(text: str, kind: str) -> float:
    """One level of a kind of noise, written as in a spec. Raises UsageError."""
    if re.fullmatch(_LEVEL, text.strip(), re.IGNORECASE) is None:
        raise UsageError(f"cannot read the level '{shortened(text)}'", "write it as 0.1 or 25/255")
    return _parse_level(text, KINDS[kind], f"level '{shortened(text)}'")


def parse_sweep(text: str) -> list[NoiseSpec]:
    """The noises of a sweep such as `gaussian:0.1..1.0/10`: ten levels; a plain spec is one noise.

    Raises UsageError, which says what is allowed.
    """
    match = _SWEEP.fullmatch(text.strip())
    if match is None:
        if ".." in text:
            raise UsageError(f"cannot read the levels '{shortened(text)}'", _SWEEP_HINT)
        return [parse_noise(text)]
    kind, low, high, count = match["kind"], match["low"], match["high"], int(match["count"])
    first, last = (_parse_stage(f"{kind}:{level}", text) for level in (low, high))
    if not 2 <= count <= MOST_LEVELS or first.low >= last.low:
        raise UsageError(f"cannot sweep '{shortened(text)}'", _SWEEP_HINT)
    step = (last.low - first.low) / (count - 1)
    levels = [_written(first.low + number * step) for number in range(count)]
    return [parse_noise(f"{kind}:{level}") for level in levels]


def _written(level: float) -> str:
    """A level with six digits, without an exponent, which the grammar does not allow."""
    return f"{Decimal(f'{level:.6g}'):f}"


def _parse_stage(part: str, text: str) -> NoiseStage:
    match = _STAGE.fullmatch(part)
    if match is None:
        raise UsageError(
            f"cannot read the noise '{shortened(text)}': '{shortened(part)}' is not KIND:LEVEL",
            _HINT,
        )
    name = match["kind"].lower()
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError(f"there is no noise '{shortened(name)}'", _HINT)
    quoted = f"noise '{shortened(part)}'"
    low = _parse_level(match["low"], kind, quoted)
    high = low if match["high"] is None else _parse_level(match["high"], kind, quoted)
    if high < low:
        raise UsageError(
            f"the {quoted} has a range from high to low",
            f"write {name}:{_written(high)}-{_written(low)}",
        )
    return NoiseStage(name, low, high)


def _parse_level(text: str, kind: NoiseKind, quoted: str) -> float:
    numerator, _, denominator = text.partition("/")
    if denominator and float(denominator) == 0:
        raise UsageError(f"the {quoted} divides by zero", "a fraction looks like 25/255")
    level = float(numerator) / (float(denominator) if denominator else 1.0)
    above = level >= kind.low if kind.low_included else level > kind.low
    within = above and level <= kind.high
    if not within or (kind.whole and level != int(level)):
        least = "at least" if kind.low_included else "above"
        unit = "; images are in [0, 1], so write 25/255 for 25 of 255" if kind.high == 10 else ""
        number = "a whole number " if kind.whole else ""
        wrong = "not whole" if within else "out of range"
        raise UsageError(
            f"the {quoted} is {wrong}: {kind.level} {level:g}",
            f"{kind.level} is {number}{least} {kind.low:g} and at most {_written(kind.high)}{unit}",
        )
    return level
