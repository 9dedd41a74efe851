"""Expressions as they are computed: values, types, bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimtrain.config.arithmetic import MAX_NUMBER, divisible, evaluate
from slimtrain.config.expressions import ExpressionError, parse

PARAMS = {
    "n": 3,
    "x": 0.75,
    "on": True,
    "off": False,
    "none": None,
    "act": "relu",
    "widths": [16, 24, 32],
    "m": {"k": 1},
}


def value(text):
    return evaluate(parse(text + ")")[0], PARAMS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("n * 2 + 1", 7),
        ("n / 2", 1.5),
        ("n // 2", 1),
        ("n % 2", 1),
        ("-n", -3),
        ("int(64 * x)", 48),
        ("round(2.6)", 3),
        ("max(8, int(32 * 0.1))", 8),
        ("min(1, n, x)", 0.75),
        ("divisible(33, 8)", 32),
        ("len(widths)", 3),
        ("widths[n - 1]", 32),
        ("n >= 3 and not off", True),
        ("off or n == 3.0", True),
        ("act == 'relu'", True),
        ("none == null", True),
        ("none != 0", True),
        ("on == 1", False),
        ("widths == widths", True),
        ("'VALID' if n > 1 else 'SAME'", "VALID"),
        ("widths[9] if off else 0", 0),
        ("off and widths[9] == 0", False),
        ("on or widths[9] == 0", True),
    ],
)
def test_values(text, found):
    assert value(text) == found and type(value(text)) is type(found)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("act + 1", "+ takes numbers, got 'relu'", ""),
        ("on + 1", "+ takes numbers, got true", ""),
        ("none < 1", "< takes numbers, got null", ""),
        ("n if n else 1", "expected true or false, got 3", "compare it"),
        ("n and on", "expected true or false, got 3", "compare it"),
        ("not none", "expected true or false, got null", "compare it"),
        ("n / 0", "/ divides 3 by 0", ""),
        ("n % 0", "% divides 3 by 0", ""),
        ("widths[3]", "no entry 3 in a list of 3", "counted from 0"),
        ("widths[-1]", "no entry -1 in a list of 3", "counted from 0"),
        ("widths[on]", "expected list[number], got [16, 24, 32][true]", ""),
        ("act[0]", "expected list[number], got 'relu'[0]", ""),
        ("mx(n, 1)", "no function 'mx'", "did you mean 'max'"),
        ("max(n)", "max takes 2 to 8 values, got 1", ""),
        ("len(n)", "len takes a list, got 3", ""),
        ("int(act)", "int takes numbers, got 'relu'", ""),
        ("1e300 * 1e300", "* gives inf, which is too large", ""),
        ("int(1e300)", "int gives 1", ""),
        ("divisible(n, 0)", "divisible divides 3 by 0", ""),
    ],
)
def test_what_cannot_be_computed_is_told(text, told, hint):
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert caught.value.what.startswith(told) and hint in caught.value.hint


@pytest.mark.parametrize(
    ("given", "found"), [(1.0, 8), (11.9, 16), (12, 16), (32 * 0.35, 16), (16 * 0.35, 8), (24 * 1.4, 32), (20, 24)]
)
def test_channels_as_mobilenet_rounds_them(given, found):
    assert divisible(given, 8) == found


def test_a_least_number_of_channels():
    assert divisible(3, 8, 16) == 16 and divisible(40, 8, 16) == 40


@given(st.floats(0.1, 5000), st.integers(1, 64))
def test_rounded_channels_are_a_multiple_and_lose_no_more_than_a_tenth(given, divisor):
    found = divisible(given, divisor)
    assert found % divisor == 0 and found >= divisor and found >= 0.9 * given and found < given + divisor + 0.5


SUMS = st.recursive(
    st.sampled_from(["n", "x", "2", "1e9"]),
    lambda e: st.builds("({} {} {})".format, e, st.sampled_from(["+", "-", "*", "/", "//", "%"]), e),
    max_leaves=20,
)


@given(SUMS)
def test_numbers_stay_within_bounds(text):
    try:
        assert abs(value(text)) < MAX_NUMBER
    except ExpressionError as error:
        assert error.what
