"""Numbers that are not finite, planted where it is known: how a run stops or goes on, whether autopsy names them."""

import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from soak.tally import Tally, together

from slimtrain.jobs.sameness import differences
from slimtrain.store import checkpoint, diverged, metrics
from slimtrain.store.rundir import RunDir

Command = Callable[[Sequence[str]], tuple[int, str, str]]
"""Runs a command line: (exit code, stdout, stderr)."""

TRAIN, STEPS = 64, 12
PLUGINS = Path(__file__).parent / "plugins"
STOPPED = re.compile(r"step ([0-9]+): .* is not finite; the state before it is kept")
OPTIMIZERS = ("sgd", "momentum", "adam", "rmsprop", "adagrad", "lion", "lamb", "adamw", "nadam", "ftrl")
CONFIG = """\
seed: {seed}
data: {{source: arrays, train: {train}, batch_size: 16}}
model:
  layers:
{layers}
losses: [{loss}]
optimizer: {optimizer}
train: {{steps: 12, log_every: 4, checkpoint_every: 4, keep: 9, {train_more}}}
"""


@dataclass
class Case:
    """A net with something planted. `finds` are what the finding of autopsy must hold; `bad` names examples of the
    data that are not finite; `skips` allows that many steps in a row; `ends` tells whether the run must come to its
    end, None where both may be."""

    name: str
    layers: list[str]
    loss: str = "sparse_softmax_cross_entropy"
    optimizer: str = "{momentum: {learning_rate: 0.01}}"
    train: str = ""
    data: str = "train.npz"
    finds: Mapping[str, Any] = field(default_factory=dict)
    bad: frozenset[int] = frozenset()
    skips: int = 0
    ends: bool | None = False


def soak(count: int, seed: int, workers: int) -> Tally:
    """So many runs in processes of their own. The runs of a failure are kept, in the folder that its sentence names."""
    folder, draw = Path(tempfile.mkdtemp(prefix="slimtrain-numbers-")), random.Random(seed)
    work = pieces(count, folder, draw, in_process)
    tally = Tally().take(together(work, workers))
    if not tally.failures:
        shutil.rmtree(folder)
    return tally


def pieces(count: int, folder: Path, draw: random.Random, command: Command) -> list[Callable[[], Tally]]:
    """Tries of every kind in turn."""
    work = []
    for number in range(count):
        place = folder / f"try-{number}"
        plant = PLANTS[number % len(PLANTS)]
        work.append(partial(tried, plant, place, draw.randrange(1 << 30), command))
    return work


def in_process(words: Sequence[str]) -> tuple[int, str, str]:
    """The command line in a process of its own."""
    code = f"import sys; sys.path[:0] = {[str(PLUGINS), *sys.path]!r}; from slimtrain.cli import main; main()"
    done = subprocess.run([sys.executable, "-P", "-c", code, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def tried(plant: Callable[[random.Random, Path], Case], folder: Path, seed: int, command: Command) -> Tally:
    """Trains one net, looks at how it left, and has autopsy look at it."""
    folder.mkdir(parents=True)
    draw, tally = random.Random(seed), Tally()
    data(folder, seed)
    case = plant(draw, folder)
    layers = "\n".join(f"    - {layer}" for layer in case.layers)
    skips = f"skip_non_finite: {case.skips}, " * bool(case.skips)
    more = f"{skips}{case.train}"
    text = CONFIG.format(
        seed=seed % 1000, train=case.data, layers=layers, loss=case.loss, optimizer=case.optimizer, train_more=more
    )
    (folder / "net.yaml").write_text(text)
    run = RunDir(folder / "run")
    words = ["fit", str(folder / "net.yaml"), "--plugin", "roots", "--run-dir", str(run.path)]
    code, _, said = command(words)
    problems = [*left(case, run, code, said), *looked_at(case, run, code, command)]
    if code == 0 and case.skips:
        problems += resumed(words, run, folder / "whole", command)
    told = f"{folder}, seed {seed}: {'; '.join(problems)}" if problems else ""
    tally.add(case.name, told)
    if not problems:
        shutil.rmtree(folder)
    return tally


def data(folder: Path, seed: int) -> None:
    """Arrays that can be told apart by class, with labels of both sorts."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, 4, TRAIN)
    image = (draw.normal(size=(TRAIN, 4, 4, 1)) + label[:, None, None, None]).astype(np.float32)
    np.savez(folder / "train.npz", image=image, label=label, target=draw.normal(size=TRAIN).astype(np.float32))


def poisoned(folder: Path, name: str, chosen: Sequence[int], value: float, draw: random.Random) -> str:
    """Puts the value into a field of some examples; gives the file."""
    with np.load(folder / "train.npz") as file:
        arrays = dict(file)
    for number in chosen:
        row = arrays[name][number : number + 1].reshape(-1)
        row[draw.randrange(row.size)] = value
    np.savez(folder / "poisoned.npz", **arrays)
    return "poisoned.npz"


def left(case: Case, run: RunDir, code: int, said: str) -> list[str]:
    """What is wrong with how a run left."""
    problems = ["a traceback"] if "Traceback" in said else []
    wanted = {True: {0}, False: {3}, None: {0, 3}}[case.ends]
    if code not in wanted:
        return [*problems, f"exit code {code}: {said[-400:]}"]
    if code == 3:
        told = STOPPED.search(said)
        steps = checkpoint.steps_of(run)
        if told is None or int(told[1]) - 1 not in steps:
            problems.append(f"the state before is not there: {sorted(steps)}, {said[-400:]}")
        elif int(told[1]) not in diverged.steps_of(run):
            problems.append("the batch is not kept")
    for path in checkpoint.steps_of(run).values():
        arrays = checkpoint.load(path)[0]
        problems += [f"{path.name} holds {n} that is not finite" for n, a in arrays.items() if not np.isfinite(a).all()]
    return problems + (skipped(case, run, code) if case.skips else [])


def skipped(case: Case, run: RunDir, code: int) -> list[str]:
    """What is wrong with the counts of steps that were left out."""
    steps = checkpoint.steps_of(run)
    arrays = checkpoint.load(steps[max(steps)])[0]
    if code == 3 and arrays["skips/row"] != case.skips:
        return [f"stopped after {arrays['skips/row']} skips in a row, not {case.skips}"]
    told = [line["skipped_steps"] for line in metrics.read(run) if "skipped_steps" in line]
    if code == 0 and (not told or told[-1] != arrays["skips/total"] or told[-1] == 0):
        return [f"metrics.jsonl tells {told} skips, the state {arrays['skips/total']}"]
    if code == 0 and arrays["step"] != STEPS:
        return [f"ended at step {arrays['step']}"]
    return []


def resumed(words: Sequence[str], run: RunDir, whole: Path, command: Command) -> list[str]:
    """What is not the same when a run with skips goes on once more from an early checkpoint."""
    shutil.copytree(run.path, whole)
    code, _, said = command([*words, "--resume", "4"])
    records = [path.name for path in sorted(run.diverged.iterdir())]
    if records != [path.name for path in sorted(RunDir(whole).diverged.iterdir())]:
        return [f"other batches are kept after a resume: {records}"]
    return [f"the resume left with {code}: {said[-400:]}"] if code else differences(RunDir(whole), run)


def looked_at(case: Case, run: RunDir, code: int, command: Command) -> list[str]:
    """What is wrong with what autopsy says."""
    if code == 0 and not case.skips:
        return []
    done, out, said = command(["autopsy", str(run.path), "--plugin", "roots", "--json"])
    if done:
        return [f"autopsy left with {done}: {said[-400:]}"]
    found = json.loads(out)
    problems = []
    if not found["reproduced"] or found["same_loss"] is False or found["finding"] is None:
        problems.append(f"not reproduced: {found['reproduced']}, {found['same_loss']}, {found['finding']}")
    elif unlike := {n: found["finding"][n] for n, v in case.finds.items() if found["finding"][n] != v}:
        problems.append(f"autopsy finds {found['finding']}; unlike what was planted: {unlike}")
    bad = {number for one in found["batch"].values() for number in one["examples"]}
    if case.bad and not (bad and bad <= case.bad):
        problems.append(f"autopsy finds the examples {sorted(bad)} of {sorted(case.bad)}")
    return problems


def dense(draw: random.Random, *planted: str) -> tuple[list[str], str]:
    """(items, the name of the layer before what is planted) of a net of dense layers."""
    number = draw.randint(1, 3)
    place = draw.randrange(number)
    items = ["flatten"]
    for index in range(number):
        remat = ", remat: true" * (draw.random() < 0.3)
        items.append(f"fully_connected: {{num_outputs: {draw.randint(4, 9)}, scope: fc{index}{remat}}}")
        items += planted if index == place else ()
    return [*items, "fully_connected: {num_outputs: 4, activation_fn: null, scope: logits}"], f"fc{place}"


def in_parts(draw: random.Random) -> str:
    """Sometimes, the batch in parts."""
    return f"accumulate: {draw.choice([1, 2, 4])}, "


def in_data(draw: random.Random, folder: Path) -> Case:
    """A pixel that is not finite."""
    chosen, value = draw.randrange(TRAIN), draw.choice([np.nan, np.inf, -np.inf])
    items, _ = dense(draw)
    where = poisoned(folder, "image", [chosen], value, draw)
    finds = {"stage": "forward", "name": "Flatten", "examples": [chosen]}
    return Case("data", items, train=in_parts(draw), data=where, finds=finds, bad=frozenset({chosen}))


def in_labels(draw: random.Random, folder: Path) -> Case:
    """A target that is not finite."""
    chosen, value = draw.randrange(TRAIN), draw.choice([np.nan, np.inf])
    items, _ = dense(draw)
    where = poisoned(folder, "target", [chosen], value, draw)
    loss = "mean_squared_error: {labels: target}"
    items[-1] = items[-1].replace("4,", "1,", 1)
    finds = {"stage": "loss", "name": "mean_squared_error"}
    return Case("labels", items, f"{{{loss}}}", data=where, finds=finds, bad=frozenset({chosen}))


def in_forward(draw: random.Random, folder: Path) -> Case:
    """A layer whose outputs overflow."""
    items, _ = dense(draw, "scale: {multiplier: 1.0e30, scope: up}", "scale: {multiplier: 1.0e30, scope: boom}")
    return Case("forward", items, train=in_parts(draw), finds={"stage": "forward", "name": "boom"})


def in_backward(draw: random.Random, folder: Path) -> Case:
    """A layer whose gradient overflows."""
    planted = [f"scale_gradient: {{multiplier: 1.0e30, scope: {name}}}" for name in ("boom", "up")]
    items, before = dense(draw, *planted)
    finds = {"stage": "backward", "kind": "end_point", "name": before, "through": "boom"}
    return Case("backward", items, train=in_parts(draw), finds=finds)


def at_zero(draw: random.Random, folder: Path) -> Case:
    """A root, whose derivative at zero is infinite."""
    items, _ = dense(draw, "scale: {multiplier: 0.0, scope: zero}", "root: {scope: root}")
    return Case("root of zero", items, finds={"stage": "backward", "name": "zero", "through": "root"})


def log_of_zero(draw: random.Random, folder: Path) -> Case:
    """A loss that takes the logarithm of zero."""
    items, _ = dense(draw)
    more = ["scale: {multiplier: 1.0e6}", "softmax"]
    return Case("log of zero", [*items, *more], "{log_loss: {epsilon: 1.0e-46}}", finds={"name": "log_loss"})


def in_regularization(draw: random.Random, folder: Path) -> Case:
    """A regularization loss that overflows."""
    items, _ = dense(draw)
    items[1] = items[1].replace("scope: fc0", "scope: fc0, weights_regularizer: {l2: 3.0e38}")
    items[1] = items[1].replace("num_outputs: ", "num_outputs: 1")
    return Case("regularization", items, finds={"stage": "loss", "kind": "regularization", "name": "fc0/weights"})


def in_variance(draw: random.Random, folder: Path) -> Case:
    """A variance that overflows."""
    chosen = draw.randrange(TRAIN)
    items, _ = dense(draw)
    where = poisoned(folder, "image", [chosen], 1e25, draw)
    finds = {"stage": "forward", "name": "bn"}
    return Case("variance", ["batch_norm: {scope: bn}", *items], data=where, finds=finds)


def in_moments(draw: random.Random, folder: Path) -> Case:
    """Squares of gradients that overflow."""
    items, _ = dense(draw)
    optimizer = f"{{{draw.choice(['adam', 'rmsprop', 'adagrad'])}: {{learning_rate: 1.0e-3}}}}"
    loss = "{sparse_softmax_cross_entropy: {weight: 1.0e25}}"
    return Case("moments", items, loss, optimizer, finds={"stage": "optimizer", "kind": "moment"})


def in_multipliers(draw: random.Random, folder: Path) -> Case:
    """Gradients that overflow when they are multiplied."""
    items, _ = dense(draw)
    loss = "{sparse_softmax_cross_entropy: {weight: 1.0e4}}"
    multiply = "gradient_multipliers: {logits: 3.0e38}"
    return Case("multipliers", items, loss, train=multiply, finds={"stage": "clipping"})


def in_weights(draw: random.Random, folder: Path) -> Case:
    """A step that overflows."""
    items, _ = dense(draw)
    loss = "{sparse_softmax_cross_entropy: {weight: 1.0e4}}"
    return Case("weights", items, loss, "{sgd: {learning_rate: 1.0e38}}", finds={"stage": "weights"})


def at_random(draw: random.Random, folder: Path) -> Case:
    """A net, an optimizer and a learning rate at random: it ends, or stops where autopsy can see why."""
    norm = draw.choice(["batch_norm", "layer_norm", "null"])
    items = [
        f"conv2d: {{num_outputs: {draw.randint(2, 6)}, kernel_size: 3, normalizer_fn: {norm}, scope: conv}}",
        f"residual: {{scope: res, layers: [conv2d: {{num_outputs: 4, kernel_size: 3, normalizer_fn: {norm}}}], "
        "shortcut: [conv2d: {num_outputs: 4, kernel_size: 1}]}",
        f"dropout: {{keep_prob: {draw.choice([0.5, 1.0])}}}",
        *dense(draw)[0],
    ]
    optimizer = f"{{{draw.choice(OPTIMIZERS)}: {{learning_rate: 1.0e+{draw.randint(0, 38)}}}}}"
    more = [in_parts(draw), "ema: 0.9, " * draw.randint(0, 1), "precision: bfloat16, " * (draw.random() < 0.2)]
    return Case("learning rates at random", items, optimizer=optimizer, train="".join(more), ends=None)


def to_be_skipped(draw: random.Random, folder: Path) -> Case:
    """Pixels that are not finite, in examples that come into one batch an epoch; the run goes on."""
    chosen, value = draw.randrange(TRAIN), draw.choice([np.nan, np.inf, -np.inf])
    items, _ = dense(draw)
    items = ["batch_norm: {scope: bn}", *items] if draw.random() < 0.5 else items
    where = poisoned(folder, "image", [chosen], value, draw)
    more = "ema: 0.9, " * draw.randint(0, 1)
    optimizer = f"{{{draw.choice(OPTIMIZERS)}: {{learning_rate: 1.0e-3}}}}"
    return Case(
        "skips",
        items,
        optimizer=optimizer,
        train=more + in_parts(draw),
        data=where,
        bad=frozenset({chosen}),
        skips=2,
        ends=True,
    )


def too_many_skips(draw: random.Random, folder: Path) -> Case:
    """No batch is finite: the run stops after as many skips as are allowed."""
    items, _ = dense(draw)
    where = poisoned(folder, "image", range(TRAIN), np.nan, draw)
    return Case("too many skips", items, data=where, bad=frozenset(range(TRAIN)), skips=draw.randint(1, 9))


PLANTS = (
    *(in_data, in_labels, in_forward, in_backward, at_zero, log_of_zero, in_regularization, in_variance),
    *(in_moments, in_multipliers, in_weights, to_be_skipped, too_many_skips, at_random, at_random, at_random),
)
