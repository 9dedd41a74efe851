"""Learning rates that are spent before the training ends."""

import pytest

from slimtrain.jobs.lints.rates import spent_rate

MOMENTUM = "{momentum: {learning_rate: %s}}"
COSINE = "{cosine_decay: {initial: 0.1, decay_steps: %d}}"


def warnings(net, steps):
    return spent_rate(net.document, net.task, steps)


@pytest.mark.parametrize("steps, share", [(100, "50.0%"), (200, "75.0%"), (100_000, "99.9%")])
def test_a_schedule_that_is_over_is_told_with_the_share_that_is_lost(build, told, steps, share):
    net = build(optimizer=MOMENTUM % COSINE % 50)
    assert told(warnings(net, steps)) == [
        f"net.yaml:3:24: optimizer momentum: the learning rate is 0 in the last {share} of {steps:,} steps, which "
        f"train nothing; let it fall over {steps:,} steps, or train for fewer"
    ]


@pytest.mark.parametrize(
    "rate",
    [
        "0.1",
        COSINE % 100,
        COSINE % 99,
        "{exponential_decay: {initial: 0.1, decay_steps: 1, decay_rate: 0.9}}",
        "{polynomial_decay: {initial: 0.1, decay_steps: 50}}",
        "{piecewise_constant: {boundaries: [10, 20], values: [0.1, 0.01, 0.001]}}",
        "{warmup: {steps: 10, then: 0.1}}",
    ],
)
def test_rates_that_last_are_not_told(build, rate):
    assert warnings(build(optimizer=MOMENTUM % rate), 100) == []


def test_one_step(build):
    assert warnings(build(), 1) == []
