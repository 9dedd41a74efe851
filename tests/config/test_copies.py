"""`for` and `when`: entries of lists written out, and what a user reads when they cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimtrain.config.nodes import make, plain
from slimtrain.config.params import substitute
from slimtrain.config.text import MAX_NODES, read_text
from slimtrain.errors import Mark


def write_out(text, **values):
    problems = []
    nodes = {name: read_text(value, "values.yaml") for name, value in values.items()}
    return plain(substitute(read_text(text, "net.yaml"), nodes, problems)), [str(p) for p in problems]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[{for: {n: 3}, a: $n, b: 0}]", [{"a": 1, "b": 0}, {"a": 2, "b": 0}, {"a": 3, "b": 0}]),
        ("[{a: {for: {n: [x, y]}, b: $n}}, c]", [{"a": {"b": "x"}}, {"a": {"b": "y"}}, "c"]),
        ("[{a: {for: {n: 2, m: [5, 6]}, b: $(n * m)}}]", [{"a": {"b": 5}}, {"a": {"b": 12}}]),
        ("[{a: {for: {n: $k}, b: $n}}]", [{"a": {"b": 1}}, {"a": {"b": 2}}]),
        ("[{a: {for: {n: 0}, b: $n}}, c]", ["c"]),
        ("[{a: {when: true, b: 1}}, {a: {when: $(k > 2), b: 2}}]", [{"a": {"b": 1}}]),
        ("[{a: {when: true}}]", [{"a": {}}]),
        ("[{a: {for: {n: 4}, when: $(n % 2 == 0), b: $n}}]", [{"a": {"b": 2}}, {"a": {"b": 4}}]),
        ("[{a: {for: {k: [7]}, b: $k}}, $k]", [{"a": {"b": 7}}, 2]),
        ("[{a: {for: {n: 2}, b: [{c: {for: {m: $n}, d: $(10 * n + m)}}]}}]",
         [{"a": {"b": [{"c": {"d": 11}}]}}, {"a": {"b": [{"c": {"d": 21}}, {"c": {"d": 22}}]}}]),
        ("[{a: {for: {row: [[1, x], [2, y]]}, b: '$(row[1])$(row[0])'}}]", [{"a": {"b": "x1"}}, {"a": {"b": "y2"}}]),
    ],
)  # fmt: skip
def test_entries_are_written_out(text, found):
    assert write_out(text, k="2") == (found, [])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[{a: {for: 3}}]",
            "1:12: for: expected a mapping from params to lists, got 3; write 'for: {depth: [64, 128]}'",
        ),
        ("[{a: {for: {}}}]", "1:12: for: expected a mapping from params to lists, got nothing; write"),
        ("[{a: {for: {n: x}}}]", "1:16: for: n: expected a list or a whole number, of up to 1000 copies, got 'x'"),
        ("[{a: {for: {n: true}}}]", "1:16: for: n: expected a list or a whole number, of up to 1000 copies, got true"),
        ("[{a: {for: {n: -1}}}]", "1:16: for: n: expected a list or a whole number, of up to 1000 copies, got -1"),
        ("[{a: {for: {n: 1001}}}]", "1:16: for: n: expected a list or a whole number, of up to 1000 copies, got 1001"),
        ("[{a: {for: {n: 2, m: [1]}}}]", "1:12: for: columns of unequal length: 'n' has 2, 'm' has 1; give each"),
        ("[{a: {for: {a-b: 2}}}]", "1:13: for: 'a-b' is no name for a param; use letters, digits and '_'"),
        ("[{a: {for: {if: 2}}}]", "1:13: for: 'if' is no name for a param; use letters, digits and '_'"),
        ("[{a: {when: 1}}]", "1:13: when: expected true or false, got 1; write a condition: 'when: $(depth > 0)'"),
        ("[{when: true, a: {b: 1}}]", "1:3: when: stands outside 'a'; write 'a: {when: ...}'"),
        (
            "{arg_scope: {when: true, ops: a}}",
            "1:14: when: stands in the entries of lists only; write '- ' before the entry, or [] around it",
        ),
        ("[{a: {for: {n: 2}, b: $m}}]", "1:23: '$m' names no param; params here are (k, n)"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, told):
    problems = write_out(text, k="2")[1]
    assert problems and problems[0].startswith(f"net.yaml:{told}")


def test_copies_of_copies_are_stopped():
    bomb = "$x"
    for name in "abcdef":
        bomb = f"[{{k: {{for: {{{name}: 1000}}, v: {bomb}}}}}]"
    found, problems = write_out(bomb, x="1")
    assert found is None and problems == [
        "net.yaml:1:1: more than 50000 values or 64 levels once its params are written out; pass smaller params"
    ]
    assert write_out("[{k: {for: {a: 1000}, v: [{k: {for: {b: 1000}, when: false}}]}}]")[0] is None


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 5))
def test_a_table_gives_a_copy_an_entry_in_order(column, least):
    mark = Mark("net.yaml", 1, 1)
    entry = {"op": {"for": {"n": column, "i": len(column)}, "when": f"$(n >= {least})", "a": "$n", "b": "$i"}}
    problems = []
    found = plain(substitute(make([entry], mark), {}, problems))
    assert found == [{"op": {"a": n, "b": i}} for i, n in enumerate(column, 1) if n >= least]
    assert len(found) < MAX_NODES and not problems
