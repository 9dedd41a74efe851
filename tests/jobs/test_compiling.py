"""What a run compiles: three programs before the loop, none in it, and those of a run before from the cache."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from slimtrain.jobs import compiling
from slimtrain.jobs.begin import prepare
from slimtrain.jobs.stream import training
from slimtrain.jobs.talk import QUIET
from slimtrain.jobs.target import load

NET = """\
data: {source: digits, batch_size: 64, eval_batch_size: 50}
model:
  layers:
    - flatten
    - fully_connected: {num_outputs: 8, normalizer_fn: batch_norm, weights_regularizer: {l2: 0.1}, scope: fc}
    - dropout: {keep_prob: 0.9}
    - fully_connected: {num_outputs: 10, activation_fn: null, scope: logits}
losses: [sparse_softmax_cross_entropy]
metrics: [accuracy]
optimizer: {momentum: {learning_rate: {cosine_decay: {initial: 0.1, decay_steps: 90}}}}
train: {steps: 30, eval_every: 7, checkpoint_every: 9, log_every: 4, ema: 0.9}
"""
STEPS = ["jit(eval_step)", "jit(start)", "jit(train_step)"]
MAIN = """\
import json, sys
from slimtrain.cli import main
from slimtrain.backend import prepare
prepare()
import jax
seen = []
jax.monitoring.register_event_listener(lambda event, **more: seen.append(event.rpartition("/")[2]))
main(sys.argv[1:], standalone_mode=False)
print(json.dumps({name: seen.count(name) for name in ("cache_hits", "cache_misses")}))
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "net.yaml").write_text(NET)
    return tmp_path / "net.yaml"


@pytest.fixture
def compiled() -> Iterator[list[str]]:
    """The names of the programs that are compiled."""
    names: list[str] = []

    def note(event: str, seconds: float, **more: Any) -> None:
        if event.endswith("/backend_compile_duration"):
            names.append(more["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(note)
    yield names
    jax.monitoring.unregister_event_duration_listener(note)


def test_a_run_compiles_its_start_and_two_steps_however_long_it_is(
    net: Path, cli: Callable[..., Any], compiled: list[str], tmp_path: Path
) -> None:
    whole, path = tmp_path / "whole", tmp_path / "run"
    assert cli("fit", net, "--run-dir", whole).code == 0
    assert sorted(name for name in compiled if name != "jit(learning_rates)") == STEPS
    shutil.copytree(whole, path)
    compiled.clear()
    assert cli("fit", net, "--run-dir", path, "--resume", "21").code == 0
    assert sorted(name for name in compiled if name != "jit(learning_rates)") == [STEPS[0], STEPS[2]]
    compiled.clear()
    assert cli("fit", net, "--run-dir", path, "--resume").code == 0
    assert [name for name in compiled if name != "jit(learning_rates)"] == []


def test_a_second_start_takes_its_programs_from_a_private_cache_and_ends_the_same(net: Path, tmp_path: Path) -> None:
    told, ends = [], []
    for name in ("one", "other"):
        words = [sys.executable, "-c", MAIN, "fit", str(net), "--run-dir", str(tmp_path / name), "-q"]
        home = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "SLIMTRAIN_CACHE": "1"}
        done = subprocess.run(words, env={**os_environment(), **home}, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        told.append(json.loads(done.stdout.splitlines()[-1]))
        ends.append(load_file(tmp_path / name / "checkpoints" / "step_00000030" / "state.safetensors"))
    assert told[0]["cache_misses"] >= 3 and told[0]["cache_hits"] == 0
    assert told[1] == {"cache_hits": told[0]["cache_misses"], "cache_misses": 0}
    assert all(np.array_equal(ends[0][key], ends[1][key]) for key in ends[0])
    folders = [p for p in (tmp_path / "cache/slimtrain").rglob("*") if p.is_dir()]
    assert folders and all(stat.S_IMODE(p.stat().st_mode) == 0o700 for p in folders)


def os_environment() -> dict[str, str]:
    """This process's variables, without JAX's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}


def test_several_steps_go_in_one_dispatch_on_accelerators_only(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = training(prepare(load(net)).batches)
    moved = training(prepare(load(net, ["data.augment=[random_crop]"])).batches)
    assert (compiling.scans(held), compiling.scans(moved)) == (False, False)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert (compiling.scans(held), compiling.scans(moved)) == (True, False)


def test_steps_that_go_in_one_dispatch_end_as_those_one_by_one(
    net: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ends, lines = [], []
    for name, several in (("one", False), ("other", True)):
        monkeypatch.setattr(compiling, "scans", lambda stream, several=several: several)
        assert cli("fit", net, "--run-dir", tmp_path / name, "train.log_every=20").code == 0
        ends.append(load_file(tmp_path / name / "checkpoints" / "step_00000030" / "state.safetensors"))
        written = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        lines.append([{n: v for n, v in json.loads(line).items() if n != "examples_per_second"} for line in written])
    assert lines[0] == lines[1]
    assert all(np.array_equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_what_cannot_be_compiled_is_told_where_the_steps_are_waited_for(net: Path) -> None:
    parts = prepare(load(net))
    stream = training(parts.batches)
    wrong = jax.tree.map(lambda value: value, stream.like)._replace(which=np.zeros((2, 2, 2), np.int32))
    ready = compiling.compiling(parts.task, replace(stream, like=wrong), None, ahead=True)
    with pytest.raises(Exception, match="shape"):
        ready.finish(QUIET)
