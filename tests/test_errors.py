"""Problems as users read them, and exit codes."""

import pytest

from slimtrain.errors import ConfigError, Mark, Problem, SlimtrainError, StoppedError, did_you_mean, one_of


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("", "bad"), "bad"),
        (Problem("conv2d 'a'", "bad (got 3)", "use 4"), "conv2d 'a': bad (got 3); use 4"),
        (Problem("x", "bad", "(x takes: y)"), "x: bad (x takes: y)"),
        (Problem("x", "bad", mark=Mark("n.yaml", 2, 5)), "n.yaml:2:5: x: bad"),
        (Problem("x", "odd", "look", Mark("n.yaml", 2, 5), "warning"), "n.yaml:2:5: x: odd; look   [warning]"),
    ],
)
def test_a_problem_is_one_line(problem, line):
    assert str(problem) == line


def test_an_error_tells_every_problem_and_carries_its_exit_code():
    error = ConfigError("one", Problem("x", "two"))
    assert (str(error), error.exit_code) == ("one\nx: two", 2)
    assert isinstance(error, SlimtrainError)
    assert [StoppedError(number, "x").exit_code for number in (2, 15)] == [130, 143]


def test_nearest_words():
    assert did_you_mean("fliter", ["filter", "stride", "filters"]) == "did you mean 'filter', 'filters'?"
    assert did_you_mean("zzz", ["filter"]) == ""
    assert one_of(["a", "b"]) == "(a, b)"


def test_a_place_by_its_short_name():
    assert Mark("/a/b/net.yaml", 3, 1).short == "net.yaml:3"
    assert Mark("command line", 3, 1).short == "command line"


def test_a_problem_is_a_line_that_can_be_shown():
    told = str(Problem("a\nb", "got '\x1b[2J\udcff'", "do \t so"))
    assert told == "a\\nb: got '\\x1b[2J\\udcff'; do \\t so"
    for long in ("y", "\0", "\U000e0001"):
        told = str(Problem("x", long * 10**6 + "y", "the cure"))
        assert len(told) < 2000 and told.endswith("y; the cure")


def test_words_that_nobody_mistypes_are_not_compared():
    assert did_you_mean("a" * 100_000, ["a" * 100_001] * 10) == ""
    assert did_you_mean("stepz", ["steps", "s" * 100_000]) == "did you mean 'steps'?"
