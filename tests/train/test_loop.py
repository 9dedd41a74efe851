"""The loop: one event a step, a little ahead of the checks, never past a boundary."""

import numpy as np
import pytest

from slimtrain.errors import DivergedError
from slimtrain.train.loop import RUN_AHEAD, Several, steps


class Watched:
    """A `finite` that remembers when the host looked at it."""

    def __init__(self, number, good, looked):
        self.number, self.good, self.looked = number, good, looked

    def __bool__(self):
        self.looked.append(self.number)
        return self.good


def trained(first=0, last=6, boundary=lambda n: False, bad=None, loss=1.0):
    """(events as (step, state, batch), steps that the host looked at after each event)."""
    looked, batches, events = [], [], []

    def step(state, batch):
        batches.append(batch)
        good = bad is None or len(batches) + first < bad
        return state + (1 if good else 0), {"finite": Watched(batch + 1, good, looked), "loss": np.float32(loss)}

    for done in steps(step, first, lambda number: number, first, last, boundary):
        events.append((done.step, done.state, list(looked)))
    assert batches == list(range(first, last))
    return events


def test_one_event_a_step_in_order_each_with_the_state_after_it():
    assert [(n, state) for n, state, _ in trained()] == [(n, n) for n in range(1, 7)]
    assert [(n, state) for n, state, _ in trained(4)] == [(5, 5), (6, 6)]
    assert trained(6, 6) == []


def test_the_host_looks_two_steps_behind_and_at_the_end_at_all():
    assert [looked for _, _, looked in trained()] == [[], [], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4, 5, 6]]
    assert RUN_AHEAD == 2


def test_everything_before_a_boundary_is_known():
    events = trained(boundary=lambda n: n == 3)
    assert events[2][2] == [1, 2, 3]
    assert events[3][2] == [1, 2, 3]


@pytest.mark.parametrize(
    ("loss", "told"), [(np.nan, "loss nan"), (np.inf, "loss inf"), (2.0, "a gradient or statistic")]
)
def test_a_refused_step_ends_it_with_the_state_before_it(loss, told):
    with pytest.raises(DivergedError) as caught:
        trained(bad=3, loss=loss)
    (problem,) = caught.value.problems
    assert problem.where == "step 3"
    assert problem.what == f"{told} is not finite; the state before it is kept"
    assert caught.value.state == 2
    assert caught.value.exit_code == 3


def test_no_boundary_is_passed_on_before_a_refused_step_is_found():
    seen = []
    with pytest.raises(DivergedError):
        looked = []
        step = lambda state, batch: (state, {"finite": Watched(batch, batch != 1, looked), "loss": np.float32(1)})  # noqa: E731
        for done in steps(step, 0, lambda n: n, 0, 9, lambda n: n == 3):
            seen.append(done.step)
    assert seen == [1, 2]


def dispatched(last, boundary=lambda n: False, bad=None):
    """(how many steps each dispatch took, after which steps the host was told); up to three at once."""
    taken, looked = [], []

    def metrics(numbers):
        good = bad is None or bad > numbers[-1]
        skipped = 0 if good else numbers[-1] - max(bad, numbers[0])
        return {"finite": Watched(numbers[-1], good, looked), "loss": np.float32(1), "skipped": skipped}

    def one(state, batch):
        taken.append(1)
        return state, metrics([batch + 1])

    def three(state, batches):
        assert len(batches) == 3
        taken.append(3)
        return state, metrics([batch + 1 for batch in batches])

    events = steps(one, 0, lambda number: number, 0, last, boundary, Several(3, three, list))
    return taken, [done.step for done in events]


def test_several_steps_go_at_once_and_never_over_a_boundary_or_the_end():
    assert dispatched(7) == ([3, 3, 1], [3, 6, 7])
    assert dispatched(9, lambda n: n % 4 == 0) == ([3, 1, 3, 1, 1], [3, 4, 7, 8, 9])
    assert dispatched(6, lambda n: n % 3 == 0) == ([3, 3], [3, 6])
    assert dispatched(4, lambda n: True) == ([1, 1, 1, 1], [1, 2, 3, 4])


def test_the_refused_step_is_named_though_others_were_dispatched_with_it():
    with pytest.raises(DivergedError) as caught:
        dispatched(12, bad=5)
    assert caught.value.problems[0].where == "step 5"
