"""Patterns for variables: whole components, or regular expressions."""

import pytest

from slimtrain.config.patterns import matcher, matching
from slimtrain.errors import ConfigError, Mark

NAMES = ["net/conv1/weights", "net/conv1/biases", "net/conv10/weights", "conv1/weights", "logits/weights"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("conv1", [0, 1, 3]),
        ("conv1/", [0, 1, 3]),
        ("/conv1", [0, 1, 3]),
        ("net/conv1", [0, 1]),
        ("net", [0, 1, 2]),
        ("weights", [0, 2, 3, 4]),
        ("conv1/weights", [0, 3]),
        ("conv1.*", [0, 1, 2, 3]),
        ("^conv1", [3]),
        ("biases$", [1]),
        ("conv1[0-9]", [2]),
        ("(conv10|logits)", [2, 4]),
    ],
)
def test_what_a_pattern_matches(pattern, found):
    assert matching([pattern], NAMES, "freeze") == [NAMES[i] for i in found]


def test_several_patterns_keep_the_order_of_the_names():
    assert matching(["logits", "net"], NAMES, "freeze") == [*NAMES[:3], NAMES[4]]
    assert matching([], NAMES, "freeze") == []


def test_every_pattern_that_matches_nothing_is_told():
    with pytest.raises(ConfigError) as caught:
        matching(["conv2", "net", "[", "zzz", ""], NAMES, "train: freeze", Mark("net.yaml", 9, 3))
    assert str(caught.value).split("\n") == [
        "net.yaml:9:3: train: freeze: 'conv2' matches no variable; did you mean 'conv1'?",
        "net.yaml:9:3: train: freeze: '[' is no regular expression: unterminated character set at position 0",
        "net.yaml:9:3: train: freeze: 'zzz' matches no variable; 'slimtrain inspect' lists the variables",
        "net.yaml:9:3: train: freeze: '' matches no variable; 'slimtrain inspect' lists the variables",
    ]


def test_a_plain_pattern_is_never_a_part_of_a_component():
    assert not matcher("conv").search("net/conv1/weights")
    assert matcher("conv1").search("conv1")


def test_a_pattern_that_would_search_for_ever_is_stopped(monkeypatch):
    monkeypatch.setattr("slimtrain.config.patterns.SECONDS", 0.2)
    with pytest.raises(ConfigError, match=r"'\(a\+\)\+\$' takes more than 0 seconds .*; nest no repetitions"):
        matching(["(a+)+$", "(a|a)*b", "conv1"], ["a" * 60 + "/weights"], "freeze")
    assert matching(["conv1"], NAMES, "freeze")


@pytest.mark.parametrize("pattern", ["(" * 3000, "a{99999999999999999999}", "(?<=a+)b", "x{9,1}"])
def test_what_is_no_regular_expression_is_told(pattern):
    with pytest.raises(ConfigError, match="is no regular expression: "):
        matching([pattern], NAMES, "freeze")


def test_patterns_that_python_warns_of_are_taken():
    assert matching(["conv1[[]|biases"], NAMES, "freeze") == [NAMES[1]]
