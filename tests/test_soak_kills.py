"""A share of the soaks of kills and signals, with real processes: what is counted by hundreds there holds here."""

import random
import signal

import pytest
from soak import kills, signals
from soak.nets import commands, kept_programs
from soak.tally import Tally, together


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A small net on arrays, and its run that nothing stopped; what is compiled is kept for the processes to come."""
    folder = tmp_path_factory.mktemp("nets")
    name, words = next(iter(commands(folder).items()))
    with kept_programs(folder / "programs"):
        yield kills.trained(folder, name, words)


def test_kills_at_random_moments_and_at_changes_do_not_show(net, tmp_path):
    tally = Tally().take(together(kills.pieces([net], tmp_path, 10, random.Random()), 2))
    assert tally.failures == [] and tally.tried.total() >= 10
    assert any("before a change" in what for what in tally.tried)


@pytest.mark.parametrize("number, twice", [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGHUP, True)])
def test_signals_leave_with_their_code_after_saving(net, tmp_path, number, twice):
    moment = random.Random().uniform(0, net.took.work)
    tally = signals.stopped(net, tmp_path / "run", signals.Shot(number, True, moment, twice), [])
    assert tally.failures == []
