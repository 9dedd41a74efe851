"""Windows tap by tap against their definition, one axis and several."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimtrain.net.windows import over_space, spread, taps, windows

FEW = settings(max_examples=15, deadline=None, derandomize=True)


@st.composite
def axes(draw):
    """Windows along one axis, with gaps or steps but not both."""
    size, rate = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    stride = draw(st.integers(1, 5)) if rate == 1 else 1
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    least = 1 + (size - 1) * rate if padding == "VALID" else 1
    length = draw(st.integers(least, least + 12))
    return windows((length,), (size,), (stride,), padding, "W", (rate,))


def falls(axis):
    """(window, element, input) of every element, padding included."""
    table = np.ndindex(axis.count, axis.size)
    return [(o, t, o * axis.stride + t * axis.rate - axis.before) for o, t in table]


@given(axes())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_taps_and_counts_are_those_of_the_definition(found):
    (axis,) = found
    want = [(o, t, i) for o, t, i in falls(axis) if 0 <= i < axis.length]
    got = []
    for tap in taps(found):
        inputs, outputs = range(axis.length)[tap.inputs[0]], range(axis.count)[tap.windows[0]]
        got += [(o, tap.number, i) for o, i in zip(outputs, inputs, strict=True)]
    assert sorted(got) == want
    if axis.size > 1:
        assert list(axis.seen()) == [sum(o == w for o, _, _ in want) for w in range(axis.count)]


@given(axes(), st.randoms(use_true_random=False))
@FEW
def test_values_go_back_to_all_elements_or_to_the_chosen_one(found, draw):
    (axis,) = found
    values = np.array([draw.uniform(-1, 1) for _ in range(axis.count)], np.float32)
    chosen = np.array([draw.randrange(axis.size) for _ in range(axis.count)], np.uint8)
    to_all, to_one = np.zeros(axis.length), np.zeros(axis.length)
    for o, t, i in falls(axis):
        if 0 <= i < axis.length:
            to_all[i] += values[o]
            to_one[i] += values[o] * (chosen[o] == t)
    got = jax.jit(lambda values, chosen: (spread(found, values), spread(found, values, chosen)))(values, chosen)
    np.testing.assert_allclose(got[0], to_all, 1e-5, 1e-6)
    np.testing.assert_allclose(got[1], to_one, 1e-5, 1e-6)


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_batch_and_channels_are_no_space(data_format):
    assert over_space((2, 3), data_format) == ((1, 2, 3, 1) if data_format == "NHWC" else (1, 1, 2, 3))
    found = windows((2, 5, 6, 7), (1, 2), (1, 2), "VALID", data_format)
    assert [axis.size for axis in found] == list(over_space((1, 2), data_format))


def test_what_halves_add_up_to_is_not_rounded_on_the_way():
    found = windows((9,), (5,), (1,), "VALID", "W")
    values = jnp.asarray([256, 1, 1, 1, 1], jnp.bfloat16)
    assert spread(found, values)[4] == 260


def test_numbers_of_large_windows_do_not_run_over():
    found = windows((34, 34), (18, 18), (16, 16), "VALID", "HW")
    chosen = jnp.full((2, 2), 18 * 18 - 1, jnp.uint16)
    want = np.zeros((34, 34))
    want[17::16, 17::16] = 1
    np.testing.assert_array_equal(spread(found, jnp.ones((2, 2)), chosen), want)
