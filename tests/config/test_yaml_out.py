"""What is written out is read back as it was."""

from hypothesis import given, settings
from hypothesis import strategies as st

from slimtrain.config.nodes import plain
from slimtrain.config.text import read_text
from slimtrain.config.yaml_out import Leaf, dump, text

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
    | st.sampled_from(
        ["1e-3", "no", "010", "null", "~", "true", ".inf", "a: b", "# c", "- d", "", " e", "$f", "\x7f\ufffe"]
    )
)
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8).filter(
    lambda k: k != "<<"
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=4))
def test_any_tree_is_read_back_as_it_was(tree):
    assert plain(read_text(dump(tree), "net.yaml")) == tree


@settings(max_examples=100, deadline=None)
@given(st.lists(SCALARS, max_size=4))
def test_flow_style_is_read_back_as_it_was(values):
    assert plain(read_text(f"a: {text(values)}", "net.yaml")) == {"a": values}


def test_remarks_stand_behind_values_and_change_nothing():
    tree = {"a": Leaf(1, "default"), "b": [Leaf("x", "call at net.yaml:3")]}
    shown = dump(tree, remarks=True)
    assert shown == "a: 1  # default\nb:\n- x   # call at net.yaml:3\n"
    assert plain(read_text(shown, "net.yaml")) == plain(read_text(dump(tree), "net.yaml")) == {"a": 1, "b": ["x"]}
