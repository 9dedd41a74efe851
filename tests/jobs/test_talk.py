"""What is said on stderr, and how loud."""

from slimtrain.errors import Problem
from slimtrain.jobs.talk import QUIET, Talk


def test_levels(capsys):
    for talk in (QUIET, Talk(), Talk(1)):
        talk.say("matters")
        talk.say("detail", 1)
    out, err = capsys.readouterr()
    assert (out, err.split()) == ("", ["matters", "matters", "detail"])


def test_warnings_are_told_once(capsys):
    problem = Problem("here", "looks odd", severity="warning")
    Talk().warn((problem, problem))
    assert capsys.readouterr().err == "here: looks odd   [warning]\n"


def test_no_bar_without_a_terminal(capsys):
    with Talk().bar(3, 1, "step", "net") as advance:
        advance(1, "loss 1")
    assert capsys.readouterr() == ("", "")


def _after(times):
    """What is over when it was asked so often."""
    asked = iter([*[False] * (times - 1), True])
    return lambda seconds: next(asked)


def test_waiting_is_told_on_a_terminal_and_only_when_it_takes_long(capsys, monkeypatch):
    monkeypatch.setattr("slimtrain.jobs.talk.PATIENCE", 0.0)
    Talk().waiting(lambda seconds: True, "compiling")
    Talk().waiting(_after(3), "compiling")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    Talk().waiting(lambda seconds: True, "compiling")
    Talk(-1).waiting(_after(3), "compiling")
    assert capsys.readouterr().err == ""
    Talk().waiting(_after(3), "compiling")
    assert "compiling ... 00:0" in capsys.readouterr().err
