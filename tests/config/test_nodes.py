"""Nodes: values that know their places, and the way to and from plain Python values."""

from hypothesis import given
from hypothesis import strategies as st

from slimtrain.config.nodes import TEXT_SIZE, Key, Node, make, plain, walk
from slimtrain.errors import Mark

HERE = Mark("net.yaml", 3, 5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_plain_values_come_back(value):
    assert plain(make(value, HERE)) == value


@given(VALUES)
def test_size_counts_what_walk_visits_and_all_stand_in_one_place(value):
    node = make(value, HERE)
    texts = [text for n in walk(node) for text in (n.mapping or [n.text or ""])]
    assert node.size == len(list(walk(node))) + sum(len(text) // TEXT_SIZE for text in texts)
    assert {n.mark for n in walk(node)} == {HERE}


def test_long_texts_and_keys_count_as_several():
    assert [make(v, HERE).size for v in ("a" * 99, "a" * 100, "a" * 250, {"a" * 100: 1})] == [1, 2, 3, 3]


def test_depth_counts_levels():
    assert [make(v, HERE).depth for v in (1, [], [1], {"a": [1]})] == [1, 1, 2, 3]


def test_size_and_depth_of_what_is_shared_are_known_without_walking_it():
    node = make([1], HERE)
    for _ in range(60):
        node = Node((node, node), HERE)
    assert node.size > 2**60 and node.depth == 62


def test_get_takes_plain_words_and_gives_none_for_anything_else():
    node = make({"a": 1}, HERE)
    assert node.get("a").value == 1
    assert node.get("b") is None and make([1], HERE).get("a") is None


def test_a_key_is_its_text_with_a_place():
    key = Key("scope", HERE)
    assert key == "scope" and {key: 1}["scope"] == 1 and key.mark is HERE


def test_what_a_node_is_called():
    called = [make(v, HERE).what for v in ({}, [], None, True, 1, 0.5, "x", "y" * 80)]
    assert called[:7] == ["a mapping", "a list", "null", "true", "1", "0.5", "'x'"]
    assert len(called[7]) == 60 and called[7].endswith("...")


def test_a_node_stays_a_node():
    node = make(1, HERE)
    assert make({"a": node}, Mark("b.yaml", 1, 1)).get("a") is node
