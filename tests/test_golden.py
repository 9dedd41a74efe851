"""Parity with TF-Slim's own numbers: every case of tests/golden whose ops there are, and all of tests/golden_more.

`expected.npz` of a case holds what tf_slim on TensorFlow computed; the tolerances are theirs and are never loosened.
golden_more/make.py says how its cases were made.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import yaml

from slimtrain.config.document import read
from slimtrain.jobs.build import feed, make_task, network, open_data
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.inspect import applied_updates, run_pass
from slimtrain.net.passes import split
from slimtrain.train.devices import compiled_train_step
from slimtrain.train.step import fresh

HERE = Path(__file__).parent
RTOL, ATOL = 2e-4, 2e-5
FIT_RTOL, FIT_ATOL = 1e-3, 1e-4  # a few optimizer steps amplify rounding
FORMS = {"repeat", "stack", "tap"}
LISTS = ("layers", "branches", "shortcut", "layer", "ops", "normalizer_fn")


def ops(value: Any, items: bool = False) -> Iterator[str]:
    """The ops that a config names: in lists of items, in `repeat` and `stack`, in arg scopes, as normalizers."""
    if items and isinstance(value, str):
        yield value
    if isinstance(value, list):
        for item in value:
            if items and isinstance(item, dict) and len(item) == 1:
                yield from item
            yield from ops(item, items)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ops(inner, name in LISTS)


def runnable(folder: Path) -> bool:
    known = {*catalog().kind("layer"), *catalog().kind("join"), *FORMS}
    named = set(ops(yaml.safe_load((folder / "config.yaml").read_text()))) - {*LISTS, "block", "use", "clear"}
    return named <= known


def cases(folder: str) -> list[Path]:
    return sorted(f.parent for f in (HERE / folder).glob("*/config.yaml"))


GOLDEN, MORE = cases("golden"), cases("golden_more")
CASES = [*filter(runnable, GOLDEN), *MORE]


def test_the_cases_are_collected():
    assert len(GOLDEN) == 37
    assert len(CASES) - len(MORE) >= 30
    assert len(MORE) >= 94


def under(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)}


def compare(got: dict[str, Any], want: dict[str, Any], rtol: float = RTOL, atol: float = ATOL) -> None:
    """Every wanted array is there and close; names that TF-Slim does not have are no matter."""
    assert set(want) - set(got) == set()
    for name, value in want.items():
        assert np.shape(got[name]) == value.shape, name
        np.testing.assert_allclose(got[name], value, rtol, atol, err_msg=name)


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_case(folder):
    want, weights = dict(np.load(folder / "expected.npz")), dict(np.load(folder / "weights.npz"))
    document = read(folder / "config.yaml", (), catalog())
    data = open_data(document)
    net = network(document, data)
    task = make_task(document, net)

    assert {n for n, spec in task.specs.items() if spec.trainable} == set(json.loads(str(want["trainable"])))
    assert set(weights) == set(task.specs)
    assert applied_updates(document, net) == want["n_update_ops"]
    fields = dict(np.load(folder / "data.npz"))
    for mode in ("eval", "train"):
        got = run_pass(document, task, fields, weights, mode == "train")
        compare(under(got, "end_points/"), under(want, f"{mode}/"))
        compare({"reg": got["losses/regularization"]}, {"reg": want[f"{mode}_reg"]})
        if mode == "train":
            after = under(got, "variables/")
            assert set(after) == set(under(want, "after1/"))
            compare(after, under(want, "after1/"))
    if "fit_losses" in want:
        variables, losses = fitted(document, data, net, task, weights)
        assert set(variables) == set(under(want, "fit/"))
        compare(variables, under(want, "fit/"), FIT_RTOL, FIT_ATOL)
        compare({"losses": losses}, {"losses": want["fit_losses"]}, FIT_RTOL, FIT_ATOL)


def fitted(document: Any, data: Any, net: Any, task: Any, weights: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """(variables, loss of each step) after `train.steps` steps from the given weights."""
    batches = feed(document, data, task.objective, net)
    train, step = batches.split("train"), compiled_train_step(task)
    state = fresh(task, *split(task.specs, jax.tree.map(jax.numpy.array, weights)), document.seed)
    losses = []
    for number in range(document.train.steps):
        state, metrics = step(state, batches.train_batch(train, number))
        losses.append(metrics["loss"])
    return {**state.parameters, **state.statistics}, np.array(losses)
