"""A share of the soaks of corruptions, disks and locks, with real files, processes and file systems."""

import random
from functools import partial

import pytest
from soak import corruptions, disks, kills, locks
from soak.nets import commands, kept_programs
from soak.tally import Tally, together

from slimtrain.jobs.verify_resume import whole
from slimtrain.store.rundir import RunDir


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A small net on arrays, and its run that nothing stopped; what is compiled is kept for the processes to come."""
    folder = tmp_path_factory.mktemp("nets")
    name, words = next(iter(commands(folder).items()))
    with kept_programs(folder / "programs"):
        run, words = RunDir(folder / "whole"), [*words, *corruptions.MORE]
        yield kills.Net(name, words, run, whole(words, run.path))


def test_nothing_that_is_damaged_is_loaded_silently(net, tmp_path):
    good, draw = corruptions.good_of(net), random.Random()
    tally = Tally().take(corruptions.here(good, tmp_path, draw.randrange(2**32)) for _ in range(40))
    assert tally.failures == [] and tally.tried.total() == 40


def test_a_run_that_loses_its_disk_or_folder_loses_nothing_saved(net, tmp_path):
    draw = random.Random()
    work = [partial(disks.tried, draw.choice(list(disks.PLAIN)), net, tmp_path / "plain", draw.random())]
    if not disks.why_no_mounts():
        work.append(partial(disks.tried, draw.choice(list(disks.MOUNTED)), net, tmp_path / "disk", draw.random()))
    tally = Tally().take(together(work, 2))
    assert tally.failures == []
    if reason := disks.why_no_mounts():
        pytest.skip(f"only without mounts: {reason}")


def test_of_several_runs_in_one_directory_one_has_it(net, tmp_path):
    draw = random.Random()
    tally = locks.tried(draw.choice(list(locks.WAYS)), net, tmp_path / "fight", draw.random())
    assert tally.failures == []
