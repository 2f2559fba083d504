"""The noise-spec grammar: what it accepts, what it refuses and what it says then."""

import re
import subprocess
import sys
import time
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dae_tui.errors import UsageError
from dae_tui.spec.noise_spec import (
    KINDS,
    NoiseChain,
    NoiseSpec,
    NoiseStage,
    parse_level,
    parse_noise,
    parse_sweep,
)

# The ends of every kind's levels as people write them; "above" where the end itself is refused.
LEVELS = {
    "gaussian": ("0", "10"),
    "poisson": ("0.1", "1000000"),
    "speckle": ("0", "10"),
    "salt-pepper": ("0", "1"),
    "impulse": ("0", "1"),
    "uniform": ("0", "10"),
    "masking": ("0", "1"),
    "stripes": ("0", "10"),
    "poisson-gaussian": ("0", "10"),
    "correlated": ("0", "10"),
    "camera": ("0.00001", "1"),
    "jpeg": ("1", "100"),
    "quantize": ("1", "16"),
    "compress": ("1", "1000"),
}


def levels_of(kind: str) -> st.SearchStrategy[Decimal]:
    """Levels of at most six significant digits."""
    low, high = map(Decimal, LEVELS[kind])
    if kind in ("poisson", "jpeg", "quantize", "compress"):
        return st.integers(1, int(high)).map(Decimal)
    return st.decimals(low, high, places=5)


@st.composite
def stages(draw: st.DrawFn) -> tuple[str, NoiseStage]:
    """A stage as text and what it means."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    low, high = sorted((draw(levels_of(kind)), draw(levels_of(kind))))
    if draw(st.booleans()):
        return f"{kind}:{low:f}", NoiseStage(kind, float(low), float(low))
    return f"{kind}:{low:f}-{high:f}", NoiseStage(kind, float(low), float(high))


def chains() -> st.SearchStrategy[list[tuple[str, NoiseStage]]]:
    return st.lists(stages(), min_size=1, max_size=4)


def test_every_kind_has_its_limits_here() -> None:
    assert set(KINDS) == set(LEVELS)


@pytest.mark.parametrize("kind", LEVELS)
def test_both_ends_of_the_levels_of_a_kind_are_accepted(kind: str) -> None:
    low, high = LEVELS[kind]
    assert parse_noise(f"{kind}:{low}") == NoiseSpec.of(NoiseStage(kind, float(low), float(low)))
    assert parse_noise(f"{kind}:{high}") == NoiseSpec.of(NoiseStage(kind, float(high), float(high)))


@pytest.mark.parametrize("kind", LEVELS)
def test_a_range_has_its_two_ends(kind: str) -> None:
    low, high = LEVELS[kind]
    assert parse_noise(f"{kind}:{low}-{high}") == NoiseSpec.of(
        NoiseStage(kind, float(low), float(high)),
    )


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("gaussian:0.5", 0.5, 0.5),
        ("gaussian:.5", 0.5, 0.5),
        ("gaussian:2.", 2, 2),
        ("gaussian:+0.5", 0.5, 0.5),
        ("gaussian:25/255", 25 / 255, 25 / 255),
        ("gaussian:0-50/255", 0, 50 / 255),
        ("gaussian:5/255-50/255", 5 / 255, 50 / 255),
        ("gaussian:0.5-0.5", 0.5, 0.5),
    ],
)
def test_a_level_is_a_decimal_or_a_fraction(text: str, low: float, high: float) -> None:
    assert parse_noise(text) == NoiseSpec.of(NoiseStage("gaussian", low, high))


def test_a_plus_chains_stages_in_the_order_written() -> None:
    assert parse_noise("poisson:30+salt-pepper:0.05+gaussian:0-0.1") == NoiseSpec.of(
        NoiseStage("poisson", 30, 30),
        NoiseStage("salt-pepper", 0.05, 0.05),
        NoiseStage("gaussian", 0, 0.1),
    )


def test_a_kind_may_occur_twice() -> None:
    assert parse_noise("masking:0.1+masking:0.2") == NoiseSpec.of(
        NoiseStage("masking", 0.1, 0.1),
        NoiseStage("masking", 0.2, 0.2),
    )


@pytest.mark.parametrize("text", ["none", "NONE", " none\n"])
def test_none_is_an_empty_chain(text: str) -> None:
    assert parse_noise(text) == NoiseSpec()
    assert str(parse_noise(text)) == "none"


@pytest.mark.parametrize(
    "text",
    [
        "  poisson:30+salt-pepper:0.05  ",
        "poisson:30 + salt-pepper:0.05",
        "poisson:30\t+\tsalt-pepper:0.05\n",
        "Poisson:30+SALT-PEPPER:0.05",
    ],
)
def test_case_and_space_around_stages_do_not_matter(text: str) -> None:
    assert parse_noise(text) == parse_noise("poisson:30+salt-pepper:0.05")


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "gaussian:0.5",
        "gaussian:0-0.8",
        "gaussian:0.123456",
        "poisson:30+salt-pepper:0.05",
        "poisson:999999",
        "gaussian:0.0001",
        "quantize:1-16",
    ],
)
def test_a_spec_is_written_as_it_is_typed(text: str) -> None:
    assert str(parse_noise(text)) == text


@pytest.mark.parametrize("text", ["gaussian:25/255", "gaussian:0-25/255", "masking:1/3-2/3"])
def test_a_fraction_survives_writing_to_six_digits(text: str) -> None:
    spec = parse_noise(text)
    again, stage = parse_noise(str(spec)).only_stage, spec.only_stage
    assert again is not None
    assert stage is not None
    assert again.kind == stage.kind
    assert (again.low, again.high) == pytest.approx((stage.low, stage.high), rel=1e-5)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(chains())
@example([("poisson:1000000", NoiseStage("poisson", 1e6, 1e6))])
@example([("gaussian:0.00001", NoiseStage("gaussian", 1e-5, 1e-5))])
def test_any_chain_is_read_as_meant_and_written_so_that_it_reads_the_same(
    chain: list[tuple[str, NoiseStage]],
) -> None:
    spec = parse_noise("+".join(text for text, _ in chain))
    assert spec == NoiseSpec.of(*(stage for _, stage in chain))
    assert parse_noise(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("gaussian:-1", "sigma is at least 0 and at most 10"),
        ("gaussian:-0.5-0.5", "sigma is at least 0 and at most 10"),
        ("gaussian:10.1", "sigma is at least 0 and at most 10"),
        ("gaussian:0-25", "write 25/255"),
        ("speckle:-0.1", "sigma is at least 0 and at most 10"),
        ("stripes:11", "sigma is at least 0 and at most 10"),
        ("uniform:-1/2", "half-width is at least 0 and at most 10"),
        ("poisson:0", "peak is above 0"),
        ("poisson:-30", "peak is above 0"),
        ("poisson:1000001", "peak is above 0"),
        ("salt-pepper:1.01", "fraction is at least 0 and at most 1"),
        ("salt-pepper:-0.1", "fraction is at least 0 and at most 1"),
        ("impulse:2", "fraction is at least 0 and at most 1"),
        ("masking:0.5-3/2", "fraction is at least 0 and at most 1"),
        ("quantize:2.5", "bits is a whole number at least 1 and at most 16"),
        ("quantize:1-2.5", "bits is a whole number at least 1 and at most 16"),
        ("quantize:0", "bits is a whole number at least 1 and at most 16"),
        ("quantize:17", "bits is a whole number at least 1 and at most 16"),
        ("poisson:30+masking:1.5", "fraction is at least 0 and at most 1"),
        ("gaussian:" + "9" * 400, "sigma is at least 0 and at most 10"),
        ("gaussian:nan", "sigma is at least 0 and at most 10"),
        ("gaussian:0-inf", "sigma is at least 0 and at most 10"),
        ("quantize:nan", "bits is a whole number at least 1 and at most 16"),
        ("quantize:" + "9" * 400, "bits is a whole number at least 1 and at most 16"),
        ("gaussian:25/0", "25/255"),
        ("gaussian:0/0", "25/255"),
        ("gaussian:0-25/0.0", "25/255"),
        ("gaussian:0.8-0.1", "write gaussian:0.1-0.8"),
        ("quantize:4-2", "write quantize:2-4"),
    ],
)
def test_a_level_that_does_not_exist_is_a_usage_error_that_says_what_does(
    text: str, allowed: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_noise(text)
    assert caught.value.exit_code == 2
    assert allowed in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "blur:1",
        "gauss:0.5",
        "",
        "   ",
        "gaussian",
        "gaussian:",
        ":0.5",
        "0.5",
        "gaussian:x",
        "gaussian:0.5+",
        "+gaussian:0.5",
        "gaussian:0.5++masking:0.1",
        "gaussian:0.5+0.3",
        "gaussian:0.5,masking:0.1",
        "gaussian 0.5",
        "gaussian:0.5 0.6",
        "gaussian:0.1-0.2-0.3",
        "gaussian:1/2/3",
        "gaussian:0.5-",
        "gaussian:0.5/",
        "gaussian:0.5%",
        "salt_pepper:0.1",
        "none+gaussian:0.5",
        "gaussian:0.5+none",
        "λ:1",
    ],
)
def test_what_is_no_spec_is_a_usage_error_that_lists_the_kinds(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_noise(text)
    assert caught.value.exit_code == 2
    assert "KIND:LEVEL" in caught.value.hint
    assert all(kind in caught.value.hint for kind in (*KINDS, "none"))


@pytest.mark.parametrize("text", ["blur:0.5", "gaussian:nan", "gaussian:-1", "quantize:2.5"])
def test_the_message_quotes_what_was_wrong(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_noise(f"poisson:30+{text}")
    assert text.removesuffix(":0.5") in caught.value.message


def test_a_chain_has_at_most_sixteen_stages() -> None:
    assert len(parse_noise("+".join(["gaussian:0.1"] * 16)).chains[0].stages) == 16
    for count in (17, 10_000):
        with pytest.raises(UsageError, match=f"the noise has {count} stages") as caught:
            parse_noise("+".join(["gaussian:0.1"] * count))
        assert caught.value.hint == "a chain has at most 16"


def test_a_bar_separates_alternatives_each_of_them_a_chain() -> None:
    spec = parse_noise("gaussian:0-0.2 | poisson:30+salt-pepper:0.05|none")
    assert spec == NoiseSpec(
        (
            NoiseChain((NoiseStage("gaussian", 0, 0.2),)),
            NoiseChain((NoiseStage("poisson", 30, 30), NoiseStage("salt-pepper", 0.05, 0.05))),
            NoiseChain(),
        )
    )
    assert str(spec) == "gaussian:0-0.2|poisson:30+salt-pepper:0.05|none"
    assert parse_noise(str(spec)) == spec
    assert not spec.is_none
    assert spec.only_stage is None
    assert parse_noise("none|none").is_none


def test_alternatives_cover_what_one_of_them_covers() -> None:
    spec = parse_noise("gaussian:0-0.2|salt-pepper:0-0.5")
    for covered in ("gaussian:0.1", "salt-pepper:0.1-0.2", "salt-pepper:0.5|gaussian:0.2"):
        assert spec.covers(parse_noise(covered)), covered
    for other in ("gaussian:0.3", "gaussian:0.1|masking:0.1", "gaussian:0.1+salt-pepper:0.1"):
        assert not spec.covers(parse_noise(other)), other


def test_a_noise_has_at_most_thirty_two_alternatives() -> None:
    assert len(parse_noise("|".join(["gaussian:0.1"] * 32)).chains) == 32
    for count in (33, 10_000):
        with pytest.raises(UsageError, match=f"the noise has {count} alternatives") as caught:
            parse_noise("|".join(["gaussian:0.1"] * count))
        assert caught.value.hint == "a noise has at most 32"


@pytest.mark.parametrize("text", ["|", "gaussian:0.1|", "|gaussian:0.1", "gaussian:0.1||none"])
def test_an_alternative_is_not_empty(text: str) -> None:
    with pytest.raises(UsageError, match="is not KIND:LEVEL"):
        parse_noise(text)


LONG = {
    "digits": "gaussian:" + "1" * 100_000 + "x",
    "too large": "gaussian:" + "1" * 100_000,
    "by zero": "gaussian:" + "1" * 100_000 + "/0",
    "upside down": "gaussian:0.8" + "0" * 10_000 + "-0.1",
    "kind": "a" * 100_000 + ":1",
    "stages": "+gaussian:1" * 10_000,
    "alternatives": "|gaussian:1" * 10_000,
    "levels": "gaussian:0.1.." + "1" * 100_000,
    "sweep": "gaussian:0.1.." + "0" * 100_000 + "/4",
    "count": "gaussian:0.1..1/" + "9" * 5000,  # More digits than Python makes a number of.
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_text_is_refused_at_once_and_not_quoted_whole(text: str) -> None:
    for parse in (parse_noise, parse_sweep, lambda word: parse_level(word, "gaussian")):
        began = time.perf_counter()
        with pytest.raises(UsageError) as caught:
            parse(text)
        assert time.perf_counter() - began < 1
        assert len(caught.value.message) < 300
        assert len(caught.value.hint) < 300


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    st.text(max_size=30)
    | st.text("gausinpo:+|-/.0123456789 ", max_size=30)
    | chains().flatmap(
        lambda chain: st.integers(0, 60).map(
            lambda cut: "+".join(text for text, _ in chain)[:cut]  # A spec that stops halfway.
        )
    )
)
def test_any_text_is_a_spec_or_a_usage_error_with_a_hint(text: str) -> None:
    try:
        spec = parse_noise(text)
    except UsageError as refused:
        assert refused.message
        assert refused.hint
    else:
        for stage in (stage for chain in spec.chains for stage in chain.stages):
            assert KINDS[stage.kind].low <= stage.low <= stage.high <= KINDS[stage.kind].high


def test_parsing_imports_no_torch() -> None:
    script = (
        "import sys; from dae_tui.spec.noise_spec import parse_noise; "
        "print(parse_noise('gaussian:0.5'), 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert finished.stdout.split() == ["gaussian:0.5", "False", "False"]


@pytest.mark.parametrize(
    ("text", "extras", "written"),
    [
        ("correlated:0.1", (1.0, 0.0, 0.0), "correlated:0.1"),
        ("correlated:0.1,1,0", (1.0, 0.0, 0.0), "correlated:0.1"),
        ("correlated:0.1-0.2,0.5", (0.5, 0.0, 0.0), "correlated:0.1-0.2,0.5"),
        ("correlated:25/255,2,1/2", (2.0, 0.5, 0.0), "correlated:0.0980392,2,0.5"),
        ("correlated:0.1,1,0.5,2", (1.0, 0.5, 2.0), "correlated:0.1,1,0.5,2"),
        ("poisson-gaussian:0.01,1e-4", None, ""),
        ("poisson-gaussian:0.01,0.0004", (0.0004, 0.0, 0.0, 0.0), "poisson-gaussian:0.01,0.0004"),
    ],
)
def test_further_numbers_of_a_kind(
    text: str, extras: tuple[float, ...] | None, written: str
) -> None:
    if extras is None:
        with pytest.raises(UsageError, match="cannot read the noise"):
            parse_noise(text)
        return
    stage = parse_noise(text).only_stage
    assert stage is not None
    assert stage.extras == extras
    assert str(stage) == written
    assert str(parse_noise(written)) == written


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gaussian:0.1,2", "has 1 number after its sigma"),
        ("correlated:0.1,1,0,5,6", "has 4 numbers after its sigma"),
        ("correlated:0.1,1,0,9", "colour 9"),
        ("correlated:0.1,9", "width 9"),
        ("correlated:0.1,1,-0.5", "shared -0.5"),
        ("correlated:0.1,nan", "width nan"),
        ("poisson-gaussian:0.1,1/0", "divides by zero"),
    ],
)
def test_wrong_further_numbers_are_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        parse_noise(text)


def test_a_noise_covers_another_only_with_the_same_further_numbers() -> None:
    wide = parse_noise("correlated:0-0.5,1")
    assert wide.covers(parse_noise("correlated:0.2,1"))
    assert not wide.covers(parse_noise("correlated:0.2,2"))
