"""Where a run begins: what was asked, what is read and built before anything is written, its directory, its state."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slimtrain.config.document import Document
from slimtrain.data.records import Dataset
from slimtrain.errors import CheckpointError, ConfigError, Problem
from slimtrain.jobs.build import Network, feed, make_task, need_training, network, open_data
from slimtrain.jobs.changes import changes
from slimtrain.jobs.exactness import need_alike
from slimtrain.jobs.facts import facts_of, unlike
from slimtrain.jobs.feed import Feed
from slimtrain.jobs.restore import EVERY, Filter, Weights, fit_weights, load_state, resume_point, weights_from
from slimtrain.jobs.talk import Talk
from slimtrain.store import checkpoint, metrics
from slimtrain.store.rundir import RunDir, clear, create, create_default, default_path, need_vacant
from slimtrain.train.step import State, Task


@dataclass(frozen=True)
class Request:
    """What `fit` was asked. `resume` is None for a new run, '' for the run's own newest checkpoint, or a place.

    `command` is what was typed; `again` is the command that goes on with the run, less its directory. `grace` is how
    many seconds a signal leaves; `deterministic` refuses to compute what may not come out the same another time.
    `own_process` says that the process ends with the run, so that its handlers of signals may stay.
    """

    document: Document
    run_dir: Path | None = None
    resume: str | None = None
    init_from: Path | None = None
    chosen: Filter = EVERY
    command: Sequence[str] = ()
    again: str = ""
    grace: float | None = None
    deterministic: bool = False
    own_process: bool = False


@dataclass(frozen=True)
class Prepared:
    """What a run is made of once everything is read; `total` is how many steps it takes."""

    document: Document
    data: Dataset
    net: Network
    task: Task
    batches: Feed
    total: int

    @property
    def batch_size(self) -> int:
        """Examples in a training step."""
        assert self.document.data is not None
        return self.document.data.batch_size

    def epoch(self, step: int) -> float:
        """How many passes over the training split a step is."""
        return round(step / self.batches.epoch_steps, 4)


def prepare(document: Document) -> Prepared:
    """Reads, builds and checks all that training needs; raises ConfigError and DataError."""
    need_training(document)
    data = open_data(document)
    net = network(document, data)
    task = make_task(document, net)
    batches = feed(document, data, task.objective, net)
    for name in data.splits:
        batches.split(name)
    _need_evaluations(document, data)
    epoch = batches.epoch_steps
    total = document.train.steps or (document.train.epochs or 0) * epoch
    return Prepared(document, data, net, task, batches, total)


def _need_evaluations(document: Document, data: Dataset) -> None:
    """Raises ConfigError where training is to stop by evaluations that there will not be."""
    train = document.train
    if train.early_stop is None or ("test" in data.splits and train.eval_every != 0):
        return
    told = "train.eval_every is 0" if train.eval_every == 0 else "the data has no test split"
    mark = document.sections["train"]["early_stop"].origin.mark
    raise ConfigError(Problem("train.early_stop", f"nothing to judge by: {told}", "evaluate, or drop it", mark))


def need_place(request: Request) -> None:
    """Raises where the directory that is named for a new run holds one: told before time is spent."""
    if request.run_dir is not None:
        need_vacant(request.run_dir)


def claim(request: Request) -> RunDir:
    """The run's directory: the one named, the newest of the config's name to resume, or the first free one."""
    resume = request.resume is not None
    if request.run_dir is not None:
        return create(request.run_dir, resume=resume)
    if not resume:
        return create_default(Path(), request.document.name)
    free = default_path(Path(), request.document.name)
    name, number = request.document.name, 1
    newest = free
    while (path := free.parent / (name if number == 1 else f"{name}-{number}")).exists():
        newest, number = path, number + 1
    return create(newest, resume=True)


def _warm_start(request: Request) -> tuple[Path | None, Filter]:
    """Where the first weights come from, and which: as the command says, else as the config does."""
    train = request.document.train
    if request.init_from is not None:
        return request.init_from, request.chosen
    mark = request.document.sections["train"]["init_from"].origin.mark
    return train.init_from, Filter(train.init_include or (), train.init_exclude or (), "train.init_", mark)


def start_warnings(request: Request, parts: Prepared) -> list[Problem]:
    """Where the first weights were trained on other images, preprocessing or classes than the run will be."""
    source, _ = _warm_start(request)
    return [] if source is None else unlike(source, facts_of(parts.document, parts.data, parts.net), "warning")


def first_weights(request: Request, task: Task) -> tuple[Weights, str]:
    """The weights that a new run takes from elsewhere if the command or the config says so; and what to say of it.

    Raises:
        ConfigError, CheckpointError: patterns that match nothing, weights that do not fit.
    """
    source, chosen = _warm_start(request)
    if source is None:
        return {}, "training"
    given, names = weights_from(source), chosen.names(task.specs)
    fitted = fit_weights({n: task.specs[n] for n in names}, given, str(source), chosen)
    return fitted, f"training from the weights of {source}"


def resumed_state(request: Request, task: Task, run: RunDir, talk: Talk) -> tuple[State | None, str]:
    """The state to go on from, None where the run has none yet; and what to say of it."""
    clear(run)
    checkpoint.recover(run)
    if lines := metrics.garbled(run):
        told = f"damaged lines, which are dropped: {lines}"
        talk.warn([Problem(str(run.metrics), told, severity="warning")])
    path, refused = resume_point(run, request.resume or "")
    if path is None:
        return None, "no checkpoint yet, "
    state, manifest = load_state(task, path)
    if int(state.seed) != request.document.seed:
        told = f"was trained with seed {int(state.seed)}, the config says {request.document.seed}"
        raise CheckpointError(Problem(str(path), told, f"resume with seed={int(state.seed)}"))
    talk.warn(need_alike(path, manifest, strict=request.deterministic))
    talk.warn(changes(request.document, RunDir(path.parent.parent).resolved))
    told = "".join(f"{line}; going one back\n" for line in refused)
    return state, f"{told}resuming at step {int(state.step)}"
