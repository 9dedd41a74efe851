"""A share of the soaks of kills and signals, with real processes: what is counted by hundreds there holds here."""

import random
import signal

import pytest
from soak import kills, signals
from soak.nets import commands
from soak.tally import Tally, together


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A small net on arrays, and its run that nothing stopped; what is compiled is kept for the processes to come."""
    folder = tmp_path_factory.mktemp("nets")
    name, words = next(iter(commands(folder).items()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder / "programs"))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
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
