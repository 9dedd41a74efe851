"""Gradients with respect to end points, whatever the net is made of; the order of a backward pass."""

import jax
import numpy as np
import pytest
from nets import kept, layers, numbers

from slimtrain.jobs.autopsy_search import backward
from slimtrain.train.replay import parts, update
from slimtrain.train.step import start

RATE = "{cosine_decay: {initial: 0.1, decay_steps: 9}}"
BASE = f"losses: [softmax_cross_entropy]\noptimizer: {{sgd: {{learning_rate: {RATE}}}}}\n"
FC = "fully_connected: {num_outputs: 3, activation_fn: null, scope: %s%s}"
NETS = {
    "plain": [FC % ("a", ""), FC % ("b", "")],
    "remat": [FC % ("a", ", remat: true"), FC % ("b", ", remat: true")],
    "block": ["{remat: true, scope: block, layers: [" + FC % ("a", "") + "]}", FC % ("b", "")],
    "shared": [FC % ("a", ""), FC % ("a", ", reuse: true")],
}


def batch(size=6):
    return {"image": numbers(size, 3), "label": np.arange(size, dtype=np.int32) % 3}


@pytest.mark.parametrize("name", NETS)
def test_gradients_at_end_points(name):
    task = layers(f"[{', '.join(NETS[name])}]", (3,), BASE).task
    state = start(task, 0)
    values = kept(state.parameters)
    weights = [values[n] for n in task.specs if n.endswith("weights")]
    (part,) = parts(task, state, batch())
    first = next(n for n in part.gradients_at if n.endswith("a"))
    hidden = batch()["image"] @ weights[0]
    logits = hidden @ weights[-1]
    error = (np.asarray(jax.nn.softmax(logits)) - np.eye(3)[batch()["label"]]) / 6
    through = error @ weights[-1].T
    # A layer that is used twice under one name has the sum of both gradients.
    expected = through + error if name == "shared" else through
    assert float(part.gradients_at[first].largest) == pytest.approx(np.abs(expected).max(), rel=1e-4)
    assert not any(look.bad.any() for look in jax.tree.leaves(part, is_leaf=lambda x: hasattr(x, "bad")))


def test_each_part_of_a_batch_is_a_pass_and_the_update_is_of_all():
    task = layers(f"[{', '.join(NETS['plain'])}]", (3,), f"{BASE}train: {{accumulate: 3}}").task
    found = batch()
    found["image"][4, 1] = np.nan
    told = list(parts(task, start(task, 0), found))
    assert [bool(part.loss.bad.any()) for part in told] == [False, False, True]
    assert told[2].end_points["a"].bad.tolist() == [True, False]
    after = update(task, start(task, 0), found)
    assert all(look.bad.any() for look in (*after.clipped.values(), *after.weights.values()))
    assert (
        list(after.moments) == ["count"] and after.averages == {} and float(after.learning_rate) == pytest.approx(0.1)
    )


def test_variables_come_after_all_end_points_of_their_layer():
    points = ["conv1/BatchNorm", "conv1", "block/conv2", "block", "logits"]
    variables = ["conv1/weights", "conv1/BatchNorm/beta", "block/conv2/weights", "logits/weights"]
    assert [name for _, name in backward(points, variables)] == [
        *("logits", "logits/weights", "block", "block/conv2", "block/conv2/weights"),
        *("conv1", "conv1/BatchNorm", "conv1/weights", "conv1/BatchNorm/beta"),
    ]
