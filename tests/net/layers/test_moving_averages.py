"""Batch norm's statistics after several steps of random batches, against their closed forms in float64."""

from functools import partial
from math import prod

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from slimtrain.net.layers.norm import batch_norm
from slimtrain.net.scope import Record, Scope
from slimtrain.train.schedules import constant

EPSILON = 0.01
SOME = settings(max_examples=30, deadline=None, derandomize=True)
DECAYS = st.sampled_from([0.0, 0.3, 0.9, 1.0])
SHADOW = "here/here/moving_mean"
NAMES = ("moving_mean", "moving_variance")
BOUND = st.none() | st.floats(0, 2)


@st.composite
def batches(draw, data_format):
    """Some batches of one shape, channels where the data format has them, not centred on zero."""
    rank, channels = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    shape = [draw(st.integers(1, 4)), *(draw(st.integers(1, 3)) for _ in range(rank - 2)), channels]
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    found = [rng.normal(1, 2, shape).astype(np.float32) for _ in range(draw(st.integers(1, 4)))]
    return [np.moveaxis(b, -1, 1) for b in found] if data_format == "NCHW" else found


def moments(batch, data_format, weights=None):
    """(mean, biased variance, count) a channel, float64; examples weighted."""
    rows = np.moveaxis(batch.astype(np.float64), 1 if data_format == "NCHW" else -1, -1)
    count = prod(rows.shape[:-1])
    shares = (
        np.ones(rows.shape)
        if weights is None
        else np.broadcast_to(weights.reshape(-1, *[1] * (rows.ndim - 1)), rows.shape)
    )
    axes, total = tuple(range(rows.ndim - 1)), np.maximum(shares.sum(tuple(range(rows.ndim - 1))), 1e-300)
    mean = (shares * rows).sum(axes) / total
    return mean, (shares * (rows - mean) ** 2).sum(axes) / total, count


def averaged(start, values, decay):
    """decay^n start + (1 - decay) (decay^(n-1) values[0] + ... + values[n-1])."""
    n = len(values)
    return decay**n * start + (1 - decay) * sum(decay ** (n - 1 - i) * v for i, v in enumerate(values))


def passed(inputs, values, applied=("update_ops",), weights=None, **arguments):
    """The statistics after one training pass that normalizes each of the inputs by the same batch norm in turn."""
    fields = {} if weights is None else {"w": jnp.asarray(weights)}
    values = {n: jnp.asarray(v, jnp.float32) for n, v in values.items()}
    record = Record(True, dict(values), fields, applied=applied)
    for batch in inputs:
        batch_norm(Scope(record, "here"), jnp.asarray(batch), center=False, epsilon=EPSILON, **arguments)
    return {**values, **record.latest}


def started(channels, **starts):
    return {f"here/{n}": np.full(channels, v, np.float32) for n, v in starts.items()}


def agree(got, want):
    for name, value in want.items():
        np.testing.assert_allclose(got[name], value, 2e-4, 2e-5, err_msg=name)


def unbiased(rank, words):
    """Whether TF-Slim takes a fused kernel, which corrects the variance as Bessel did."""
    common = words["updates_collections"] == ("update_ops",) and not words["zero_debias_moving_mean"]
    return words["fused"] is not False and words["batch_weights"] is None and (rank in (2, 4) or rank == 5 and common)


def expected(words, found, start, weights):
    """The statistics after all batches."""
    decay, steps = words["decay"], len(found)
    stats = [moments(b, words["data_format"], weights) for b in found]
    bessel = unbiased(found[0].ndim, words)
    spreads, means = [v * (n / max(n - 1, 1) if bessel else 1) for _, v, n in stats], [m for m, _, _ in stats]
    want = {f"here/{n}": averaged(start[f"here/{n}"], v, decay) for n, v in zip(NAMES, (means, spreads), strict=True)}
    if not words["zero_debias_moving_mean"]:
        return want
    biased = averaged(0.0, means, decay)
    mean = biased / (1 - decay**steps) if decay < 1 else start["here/moving_mean"]
    return want | {f"{SHADOW}/biased": biased, f"{SHADOW}/local_step": steps, "here/moving_mean": mean}


@given(data=st.data(), decay=DECAYS, fused=st.sampled_from([None, True, False]), zero_debias=st.booleans())
@SOME
def test_moving_averages_of_random_batches(data, decay, fused, zero_debias):
    data_format = data.draw(st.sampled_from(["NHWC", "NCHW"]))
    found = data.draw(batches(data_format))
    collections = data.draw(st.sampled_from([("update_ops",), ("mine",), ("mine", "yours"), None]))
    applied = data.draw(st.sampled_from([("update_ops",), ("mine", "update_ops"), ("yours",), ()]))
    weights = (
        np.linspace(0, 2, len(found[0])).astype(np.float32) if len(found[0]) > 1 and data.draw(st.booleans()) else None
    )
    words = {"decay": decay, "fused": fused, "data_format": data_format, "updates_collections": collections}
    words |= {"zero_debias_moving_mean": zero_debias, "batch_weights": None if weights is None else "w"}
    channels = found[0].shape[1 if data_format == "NCHW" else -1]
    start = started(channels, moving_mean=0.5, moving_variance=2.0)
    if zero_debias:
        start |= {f"{SHADOW}/biased": np.zeros(channels), f"{SHADOW}/local_step": np.zeros(())}
    values, shared = start, data.draw(st.booleans())
    for inputs in [found] if shared else [[b] for b in found]:  # shared: one pass that uses the batch norm again
        values = passed(inputs, values, applied, weights, **words)
    moves = collections is None or set(collections) & set(applied)
    agree(values, expected(words, found, start, weights) if moves else start)


@given(data=st.data(), decay=DECAYS, renorm_decay=DECAYS, bounds=st.tuples(BOUND, BOUND, BOUND))
@SOME
def test_renormalized_averages_and_outputs(data, decay, renorm_decay, bounds):
    data_format = data.draw(st.sampled_from(["NHWC", "NCHW"]))
    found = data.draw(batches(data_format))
    axis = 1 if data_format == "NCHW" else found[0].ndim - 1
    channels = found[0].shape[axis]
    clipping = {n: v for n, v in zip(("rmax", "rmin", "dmax"), bounds, strict=True) if v is not None}
    starts = {"moving_mean": 0.5, "moving_variance": 2.0, "moving_stddev": 1.4, "renorm_mean": 0.2}
    values = started(channels, **starts, renorm_stddev=0.05)
    schedules = {n: partial(constant, value=v) for n, v in clipping.items()}
    words = {"decay": decay, "renorm_decay": renorm_decay, "renorm_clipping": schedules, "data_format": data_format}
    seen = []
    for batch in found:
        values = passed([batch], values, renorm=True, **words)
        mean, variance, _ = moments(batch, data_format)
        seen.append((mean, np.sqrt(variance + EPSILON)))
    means, spreads = [m for m, _ in seen], [s for _, s in seen]
    spread = averaged(1.4, spreads, decay)
    want = {
        "moving_mean": averaged(0.5, means, decay),
        "moving_stddev": spread,
        "moving_variance": np.maximum(spread**2 - EPSILON, 0),
        "renorm_mean": averaged(0.2, means, renorm_decay),
        "renorm_stddev": averaged(0.05, spreads, renorm_decay),
    }
    agree(values, {f"here/{n}": v for n, v in want.items()})
    agree(
        {"outputs": normalized(found[-1], values, words)}, {"outputs": renormalized(found[-1], values, axis, clipping)}
    )


def normalized(batch, values, words):
    record = Record(True, {n: jnp.asarray(v) for n, v in values.items()}, {})
    return batch_norm(Scope(record, "here"), jnp.asarray(batch), center=False, epsilon=EPSILON, renorm=True, **words)


def renormalized(batch, values, axis, clipping):
    """The training output by the averages before the step, float64."""
    rows = np.moveaxis(batch.astype(np.float64), axis, -1)
    mean, variance, _ = moments(rows, "last")
    spread, average = np.sqrt(variance + EPSILON), np.maximum(values["here/renorm_stddev"], np.sqrt(EPSILON))
    r = np.minimum(np.maximum(spread / average, clipping.get("rmin", 0)), clipping.get("rmax", np.inf))
    shift = (mean - np.asarray(values["here/renorm_mean"], np.float64)) / average
    d = np.clip(shift, -clipping.get("dmax", np.inf), clipping.get("dmax", np.inf))
    return np.moveaxis((rows - mean) / spread * r + d, -1, axis)
