"""Batches of a document's data, preprocessed: for training, for evaluations, and one to look at."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial

from numpy.typing import DTypeLike

from slimtrain.config.document import Document
from slimtrain.config.records import Component
from slimtrain.config.sections import Data
from slimtrain.data import ahead
from slimtrain.data.batches import Batch, batch_at, eval_batch, eval_count, steps_per_epoch
from slimtrain.data.preprocess import pipeline
from slimtrain.data.records import Dataset, Split
from slimtrain.errors import DataError, Problem
from slimtrain.lazy import jax
from slimtrain.machine import cores
from slimtrain.net.graph import bind


@dataclass(frozen=True)
class Feed:
    """Batches of a document's data, preprocessed, with only the fields that are read."""

    document: Document
    data: Dataset
    fields: frozenset[str]

    @property
    def asked(self) -> Data:
        """The document's data section."""
        assert self.document.data is not None
        return self.document.data

    @cached_property
    def epoch_steps(self) -> int:
        """Training steps in an epoch."""
        return steps_per_epoch(self.split("train").size, self.asked.batch_size)

    def split(self, name: str) -> Split:
        """A split by name, with only the fields that are read; raises DataError where the data has none such."""
        split = self.data.splits.get(name)
        if split is None:
            has = ", ".join(self.data.splits)
            raise DataError(Problem("data", f"there is no '{name}' split", f"the data has: {has}"))
        if missing := self.fields - split.fields.keys():
            told = f"the {name} split has no field {sorted(missing)}"
            raise DataError(Problem("data", told, f"its fields are {sorted(split.fields)}"))
        return Split({n: v for n, v in split.fields.items() if n in self.fields})

    def train_batch(self, split: Split, step: int, each: pipeline.Each = pipeline.one_by_one) -> Batch:
        """The training batch of a step, from 0; `each` calls what is done for every example."""
        data, seed = self.asked, self.document.seed
        batch = batch_at(split, step, batch_size=data.batch_size, seed=seed, shuffle=data.shuffle)
        return self._trained(batch, step, each)

    @contextmanager
    def train_batches(self, split: Split, stop: int) -> Iterator[Callable[[int], Batch]]:
        """`train_batch` on the device as a function of the step, below `stop`, with the next ones made meanwhile."""
        with self._ahead(partial(self.train_batch, split), stop) as at:
            yield at

    def examples(self, split: Split, number: int) -> Batch:
        """The first examples of a split as one batch, preprocessed as for an evaluation."""
        return self._evaluated({name: array[:number] for name, array in split.fields.items()})

    def trained_examples(self, split: Split, number: int) -> Batch:
        """The first examples of a split as one batch, preprocessed as for training."""
        return self._trained({name: array[:number] for name, array in split.fields.items()}, 0)

    @contextmanager
    def eval_batches(self, split: Split, stop: int) -> Iterator[Callable[[int], Batch]]:
        """`eval_batch` on the device as a function of its number, below `stop`, with the next ones made meanwhile."""
        with self._ahead(partial(self.eval_batch, split), stop) as at:
            yield at

    def eval_batch(self, split: Split, number: int, each: pipeline.Each = pipeline.one_by_one) -> Batch:
        """One batch of an evaluation, padding masked; `each` calls what is done for every example."""
        return self._evaluated(eval_batch(split, number, self.eval_size(split)), each)

    def eval_count(self, split: Split) -> int:
        """How many batches an evaluation has."""
        return eval_count(split, self.eval_size(split))

    def eval_size(self, split: Split) -> int:
        """Examples in a batch of an evaluation."""
        return min(self.asked.eval_batch_size or self.asked.batch_size, split.size)

    @contextmanager
    def _ahead(self, make: Callable[..., Batch], stop: int) -> Iterator[Callable[[int], Batch]]:
        with ExitStack() as stack:
            each = stack.enter_context(ahead.workers(self.asked.workers or cores()))
            # In the thread, for the copy to the device takes longer than making small images does.
            yield stack.enter_context(ahead.ahead(lambda number: jax.device_put(make(number, each=each)), stop))

    def _trained(self, batch: Batch, step: int, each: pipeline.Each = pipeline.one_by_one) -> Batch:
        random = partial(pipeline.augment_random, self.document.seed, step)
        steps = self.steps(batch["image"].dtype, training=True)
        return batch | {"image": pipeline.apply(steps, batch["image"], random, each)}

    def _evaluated(self, batch: Batch, each: pipeline.Each = pipeline.one_by_one) -> Batch:
        steps = self.steps(batch["image"].dtype, training=False)
        return batch | {"image": pipeline.apply(steps, batch["image"], None, each)}

    def steps(self, dtype: DTypeLike, training: bool) -> list[pipeline.Step]:
        """The preprocessing that images of a type pass, augmentations first; those that are left out are not told."""
        given = self._preprocess
        if not training and self._eval_preprocess is not None:
            given = self._eval_preprocess
        return [*(self._augment if training else []), *(pipeline.default(dtype) if given is None else given)]

    @cached_property
    def _preprocess(self) -> list[pipeline.Step] | None:
        return self._bound(self.asked.preprocess)

    @cached_property
    def _eval_preprocess(self) -> list[pipeline.Step] | None:
        return self._bound(self.asked.eval_preprocess)

    @cached_property
    def _augment(self) -> list[pipeline.Step]:
        return self._bound(self.asked.augment) or []

    def _bound(self, components: tuple[Component, ...] | None) -> list[pipeline.Step] | None:
        return None if components is None else [bind(self.document.catalog, component) for component in components]


def image_shape(document: Document, data: Dataset) -> tuple[int, ...]:
    """The shape of one image as the network gets it, from the first example of the data.

    Raises:
        DataError: the image cannot be read, or training and evaluations make different shapes of it.
    """
    feed = Feed(document, data, frozenset({"image"}))
    split = feed.split(next(iter(data.splits)))
    trained, evaluated = (make(split, 1)["image"].shape[1:] for make in (feed.trained_examples, feed.examples))
    if trained != evaluated:
        told = f"images are {list(trained)} in training, but {list(evaluated)} in evaluations"
        hint = "let 'augment' and 'preprocess' end in the same size as 'eval_preprocess', or 'preprocess' alone"
        raise DataError(Problem("data.preprocess", told, hint))
    return tuple(trained)
