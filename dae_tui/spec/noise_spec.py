"""The noise-spec grammar: `gaussian:0.5`, `gaussian:0-0.8`, `poisson:30+salt-pepper:0.05`, `none`.

A spec is a chain of stages joined by `+`. A stage is `kind:level`, or `kind:low-high` for a level
drawn for each image. Levels are in units of the image range [0, 1]; `25/255` is a level too. Some
kinds have further numbers after commas: `poisson-gaussian:0.01,0.0004`.
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
class Extra:
    """A further number of a kind of noise, after its level."""

    name: str
    low: float
    high: float
    usual: float
    """Its value where it is left out."""


@dataclass(frozen=True)
class NoiseKind:
    """What the level of a kind of noise means and which levels exist."""

    level: str
    low: float
    high: float
    summary: str
    low_included: bool = True
    whole: bool = False
    extras: tuple[Extra, ...] = ()
    logarithmic: bool = False
    """Whether levels of a range are drawn evenly by their logarithm."""


# Of noise that is correlated: between pixels, as after a blur, and between channels.
MOST_WIDTH = 8.0
_WIDTH = "width", 0.0, MOST_WIDTH
_SHARED = Extra("shared", 0.0, 1.0, 0.0)
_COLOUR = Extra("colour", 0.0, MOST_WIDTH, 0.0)

KINDS = {
    "gaussian": NoiseKind("sigma", 0, 10, "additive white Gaussian noise"),
    "poisson": NoiseKind("peak", 0, 1e6, "photon counting, PEAK photons at white", False),
    "speckle": NoiseKind("sigma", 0, 10, "multiplicative Gaussian noise"),
    "salt-pepper": NoiseKind("fraction", 0, 1, "pixels set to black or white"),
    "impulse": NoiseKind("fraction", 0, 1, "pixels set to a random grey"),
    "uniform": NoiseKind("half-width", 0, 10, "additive uniform noise"),
    "masking": NoiseKind("fraction", 0, 1, "pixels set to black"),
    "stripes": NoiseKind("sigma", 0, 10, "one offset per row, or per column"),
    "poisson-gaussian": NoiseKind(
        "gain",
        0,
        10,
        "of a sensor: variance GAIN × intensity + OFFSET, then WIDTH, SHARED and COLOUR as for "
        "correlated",
        extras=(Extra("offset", 0.0, 100.0, 0.0), Extra(*_WIDTH, 0.0), _SHARED, _COLOUR),
    ),
    "correlated": NoiseKind(
        "sigma",
        0,
        10,
        "Gaussian noise, blurred by a Gaussian of WIDTH pixels, of whose variance "
        "the channels have the part SHARED in common; the rest is blurred by COLOUR pixels more",
        extras=(Extra(*_WIDTH, 1.0), _SHARED, _COLOUR),
    ),
    "camera": NoiseKind(
        "gain",
        0,
        1,
        "of a camera: a photon noise of variance GAIN × light and READ electrons of read noise at "
        "the sensor, through mosaic, white balance, tone curve, a blur of up to SMOOTH pixels, and "
        "sharpening of up to SHARP",
        low_included=False,
        extras=(
            Extra("read", 0.0, 1000.0, 3.0),
            Extra("smooth", 0.0, MOST_WIDTH, 0.0),
            Extra("sharp", 0.0, 10.0, 0.0),
        ),
        logarithmic=True,
    ),
    "jpeg": NoiseKind("quality", 1, 100, "the artefacts of JPEG of that quality", whole=True),
    "quantize": NoiseKind("bits", 1, 16, "clipping to [0, 1], 2^BITS levels", whole=True),
    "compress": NoiseKind("ratio", 1, 1000, "compression by a learned codec, values by codes"),
}

# nan and inf are parsed, so that they are refused as levels out of range.
# Digits can match in one way only, or refusing a long row of them would take quadratic time.
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_LEVEL = rf"[+-]?(?:{_NUMBER}|nan|inf)(?:/{_NUMBER})?"
_STAGE = re.compile(
    rf"(?P<kind>[a-z]+(?:-[a-z]+)*):(?P<low>{_LEVEL})(?:-(?P<high>{_LEVEL}))?"
    rf"(?P<extras>(?:,{_LEVEL})*)",
    re.IGNORECASE,
)
_SWEEP = re.compile(
    rf"(?P<kind>[a-z]+(?:-[a-z]+)*):(?P<low>{_LEVEL})\.\.(?P<high>{_LEVEL})/(?P<count>\d{{1,9}})",
    re.IGNORECASE,
)
MOST_LEVELS = 100
# Every stage is drawn for every batch; nobody needs more.
MOST_STAGES = 16
MOST_ALTERNATIVES = 32
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
    extras: tuple[float, ...] = ()
    """The further numbers of the kind; those that are left out have their usual values."""

    def __post_init__(self) -> None:
        usual = tuple(extra.usual for extra in KINDS[self.kind].extras)
        object.__setattr__(self, "extras", self.extras + usual[len(self.extras) :])

    @classmethod
    def at(cls, kind: str, level: float, *extras: float) -> "NoiseStage":
        """A stage of one level."""
        return cls(kind, level, level, extras)

    def __str__(self) -> str:
        low, high = _written(self.low), _written(self.high)
        usual = [extra.usual for extra in KINDS[self.kind].extras]
        given = list(self.extras)
        while given and given[-1] == usual[len(given) - 1]:
            given.pop()
        extras = "".join(f",{_written(each)}" for each in given)
        return f"{self.kind}:{low}{extras}" if low == high else f"{self.kind}:{low}-{high}{extras}"


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
            mine.kind == theirs.kind
            and mine.extras == theirs.extras
            and mine.low <= theirs.low <= theirs.high <= mine.high
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
    return NoiseStage(name, low, high, _parse_extras(match["extras"], kind, quoted))


def _parse_extras(text: str, kind: NoiseKind, quoted: str) -> tuple[float, ...]:
    """The further numbers of a stage."""
    given = [_number(each, quoted) for each in text.split(",")[1:]]
    if len(given) > len(kind.extras):
        names = ", ".join(extra.name for extra in kind.extras) or "no further numbers"
        raise UsageError(
            f"the {quoted} has {len(given)} number{'s' * (len(given) > 1)} after its {kind.level}",
            f"after the {kind.level} come at most {names}" if kind.extras else "leave them out",
        )
    for value, extra in zip(given, kind.extras, strict=False):
        if not extra.low <= value <= extra.high:
            raise UsageError(
                f"the {quoted} is out of range: {extra.name} {value:g}",
                f"{extra.name} is at least {extra.low:g} and at most {extra.high:g}",
            )
    return tuple(given)


def _number(text: str, quoted: str) -> float:
    """A number, or a fraction of two."""
    numerator, _, denominator = text.partition("/")
    if denominator and float(denominator) == 0:
        raise UsageError(f"the {quoted} divides by zero", "a fraction looks like 25/255")
    return float(numerator) / (float(denominator) if denominator else 1.0)


def _parse_level(text: str, kind: NoiseKind, quoted: str) -> float:
    level = _number(text, quoted)
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
