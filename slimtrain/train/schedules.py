"""Learning-rate schedules: functions of the step, with TF1's formulas."""

import math
from collections.abc import Callable
from typing import Any

from slimtrain.config.catalog import schedule
from slimtrain.config.values import Count, Counts, Fraction, FromOne, NonNegative, Numbers, Positive, Schedule
from slimtrain.lazy import Array, jnp
from slimtrain.net.scope import LayerError

Step = Any


@schedule(main="value")
def constant(step: Step, *, value: NonNegative) -> Array:
    """One rate at every step; a plain number means this.

    Args:
        value: the rate, from 0.
    """
    return jnp.full_like(step, value, dtype=jnp.float32)


@schedule()
def exponential_decay(
    step: Step, *, initial: NonNegative, decay_steps: Count, decay_rate: Positive, staircase: bool = False
) -> Array:
    """initial * decay_rate ^ (step / decay_steps).

    Args:
        initial: the rate at step 0.
        decay_steps: steps over which it falls by decay_rate.
        decay_rate: factor over decay_steps.
        staircase: fall at once every decay_steps, instead of a little each step.
    """
    passed = step / decay_steps
    return initial * jnp.power(jnp.float32(decay_rate), jnp.floor(passed) if staircase else passed)


@schedule()
def natural_exp_decay(
    step: Step, *, initial: NonNegative, decay_steps: Count, decay_rate: Positive, staircase: bool = False
) -> Array:
    """initial * exp(-decay_rate * step / decay_steps).

    Args:
        initial: the rate at step 0.
        decay_steps: steps over which it falls by exp(-decay_rate).
        decay_rate: how fast it falls.
        staircase: fall at once every decay_steps, instead of a little each step.
    """
    passed = step / decay_steps
    return initial * jnp.exp(-decay_rate * (jnp.floor(passed) if staircase else passed))


@schedule()
def inverse_time_decay(
    step: Step, *, initial: NonNegative, decay_steps: Count, decay_rate: Positive, staircase: bool = False
) -> Array:
    """initial / (1 + decay_rate * step / decay_steps).

    Args:
        initial: the rate at step 0.
        decay_steps: steps over which the divisor grows by decay_rate.
        decay_rate: how fast it falls.
        staircase: fall at once every decay_steps, instead of a little each step.
    """
    passed = step / decay_steps
    return initial / (1.0 + decay_rate * (jnp.floor(passed) if staircase else passed))


@schedule()
def polynomial_decay(
    step: Step,
    *,
    initial: NonNegative,
    decay_steps: Count,
    end_learning_rate: NonNegative = 0.0001,
    power: Positive = 1.0,
    cycle: bool = False,
) -> Array:
    """(initial - end) * (1 - step / decay_steps) ^ power + end, then the end.

    Args:
        initial: the rate at step 0.
        decay_steps: steps until the end.
        end_learning_rate: the rate there.
        power: 1 is linear.
        cycle: past the end, go on as if decay_steps were the next multiple of it.
    """
    over = jnp.maximum(1.0, jnp.ceil(step / decay_steps)) * decay_steps if cycle else decay_steps
    passed = jnp.minimum(step, over) / over
    return (initial - end_learning_rate) * jnp.power(1.0 - passed, power) + end_learning_rate


@schedule()
def piecewise_constant(step: Step, *, boundaries: Counts, values: Numbers) -> Array:
    """values[0] up to and with step boundaries[0], values[1] up to boundaries[1], and so on.

    Args:
        boundaries: rising steps.
        values: rates, one more than boundaries.
    """
    if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(set(boundaries)):
        told = f"{len(boundaries)} boundaries and {len(values)} values"
        raise LayerError(f"piecewise_constant: {told}", "give rising boundaries and one value more than boundaries")
    return jnp.asarray(values, jnp.float32)[jnp.sum(step > jnp.asarray(boundaries))]


@schedule()
def cosine_decay(step: Step, *, initial: NonNegative, decay_steps: Count, alpha: Fraction = 0.0) -> Array:
    """Half a cosine from initial down to alpha * initial (Loshchilov and Hutter, 2016), then that.

    Args:
        initial: the rate at step 0.
        decay_steps: steps until the end.
        alpha: share of the initial rate that is left, 0 to 1.
    """
    passed = jnp.minimum(step, decay_steps) / decay_steps
    return initial * ((1.0 - alpha) * 0.5 * (1.0 + jnp.cos(jnp.pi * passed)) + alpha)


@schedule()
def cosine_decay_restarts(
    step: Step,
    *,
    initial: NonNegative,
    first_decay_steps: Count,
    t_mul: FromOne = 2.0,
    m_mul: Positive = 1.0,
    alpha: Fraction = 0.0,
) -> Array:
    """cosine_decay again and again, each time from its start (Loshchilov and Hutter, 2016).

    Args:
        initial: the rate at step 0.
        first_decay_steps: steps until the first restart.
        t_mul: factor on the steps from one restart to the next, from 1.
        m_mul: factor on the initial rate at each restart.
        alpha: share of the initial rate that is left before a restart, 0 to 1.
    """
    restarts, passed = _period(step / first_decay_steps, t_mul)
    share = 0.5 * m_mul**restarts * (1.0 + jnp.cos(jnp.pi * passed))
    return initial * ((1.0 - alpha) * share + alpha)


def _period(passed: Array, growth: float) -> tuple[Array, Array]:
    """(restarts so far, part of the present period that has passed), of time in first periods."""
    if growth == 1.0:
        return jnp.floor(passed), passed - jnp.floor(passed)

    def begins(restarts: Array) -> Array:
        return (growth**restarts - 1.0) / (growth - 1.0)

    # A floor of the logarithm would now and then miss the step of a restart by rounding.
    near = jnp.round(jnp.log1p(passed * (growth - 1.0)) / math.log(growth))
    restarts = jnp.where(begins(near) > passed, near - 1.0, near)
    return restarts, (passed - begins(restarts)) / growth**restarts


@schedule()
def warmup(step: Step, *, steps: Count, then: Schedule, start: Fraction = 0.0) -> Array:
    """Another schedule, its rate scaled up linearly over the first steps.

    Args:
        steps: steps until the full rate.
        then: the schedule to warm up to; it counts from step 0 too.
        start: share of the rate at step 0, 0 to 1.
    """
    share: Array = jnp.minimum(1.0, start + (1.0 - start) * step / steps)
    rate: Callable[[Step], Array] = then
    return share * rate(step)
