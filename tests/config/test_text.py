"""The strict reader: YAML 1.2 values with their places, and one line for every text that is refused."""

import contextlib
import math
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimtrain.config.merge import extended
from slimtrain.config.nodes import plain
from slimtrain.config.text import MAX_BYTES, MAX_NODES, read_file, read_text
from slimtrain.errors import ConfigError

CONFIG = """\
seed: 0
data: {source: arrays, train: data.npz, batch_size: 4, shuffle: false}
scopes:
  base:
    params: {decay: 0.9, &a wd: 5.0e-4}
    arg_scope:
    - ops: [conv2d]
      normalizer_params: {decay: $decay, scale: true}
model:
  layers:   # the net
  - conv2d: {num_outputs: 4, kernel_size: [3, 3], scope: "conv1"}
  - flatten
  - fully_connected: {num_outputs: 3, activation_fn: null, scope: logits}
optimizer:
  sgd: {learning_rate: 1e-1}
"""


def read(text):
    return plain(read_text(text, "net.yaml"))


def refused(text, name="net.yaml"):
    with pytest.raises(ConfigError) as caught:
        read_text(text, name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1e3", 1000.0),
        (".5e3", 500.0),
        ("5.0e-4", 5e-4),
        ("-1.", -1.0),
        ("+7", 7),
        ("-12", -12),
        ("010", 10),
        ("-007", -7),
        ("0x10", 16),
        ("0o17", 15),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2026-13-45", "2026-13-45"),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'1e-3'", "1e-3"),
        ('"null"', "null"),
        ("!!str 1e3", "1e3"),
        ("!!int 12", 12),
        ("!!float 3", 3),
        ("! 12", "12"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("1.2.3", "1.2.3"),
        ("e3", "e3"),
        (".", "."),
        ("=", "="),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(text, value):
    found = read(f"a: {text}")["a"]
    assert found == value and type(found) is type(value)


def test_nan_is_read():
    assert math.isnan(read("a: .nan")["a"])


def test_every_value_and_key_knows_its_place():
    node = read_text("a:\n  - b: [1, x]\n", "net.yaml", Path("/configs"))
    (item,) = node.get("a").sequence
    key = next(iter(item.mapping))
    assert str(key.mark) == "net.yaml:2:5"
    assert [str(n.mark) for n in item.get("b").sequence] == ["net.yaml:2:9", "net.yaml:2:12"]
    assert item.mark.folder == Path("/configs")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "--- # nothing\n...\n", "\ufeff"])
def test_a_text_without_values_is_null(text):
    assert read(text) is None


def test_a_byte_order_mark_is_no_part_of_the_text():
    assert read(b"\xef\xbb\xbfseed: 1\n") == {"seed": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "net.yaml:3:1: duplicate key 'a'; it stands at line 1 too; keep one of them"),
        (
            "a: &x {b: 1}\nc:\n  <<: *x\n",
            "net.yaml:3:3: merge key '<<' is not YAML 1.2; use 'extends', a named scope or a block instead",
        ),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "net.yaml:1:4: tag 'tag:yaml.org,2002:python/object/apply:os.system'; "
            "a config holds plain values only; remove the tag",
        ),
        ("!mine k: 1\n", "net.yaml:1:1: tag '!mine'; a config holds plain values only; remove the tag"),
        ("a: !!int ''\n", "net.yaml:1:4: '' is no int"),
        ("a: !!bool x\n", "net.yaml:1:4: 'x' is no bool"),
        ("a: 1\n---\nb: 2\n", "net.yaml:2:1: a second document ('---'); one config a file; use 'extends'"),
        ("a: *x\n", "net.yaml:1:4: alias '*x' names no earlier anchor"),
        ("&x [*x]\n", "net.yaml:1:5: alias '*x' names no earlier anchor"),
        ("a: &x {b: *x}\n", "net.yaml:1:11: alias '*x' names no earlier anchor"),
        ("[a]: 1\n", "net.yaml:1:1: a list, mapping or alias as a key; keys are plain words"),
        ("? {a: b}\n: 1\n", "net.yaml:1:3: a list, mapping or alias as a key; keys are plain words"),
        ("a: " + "9" * 5000, "net.yaml:1:4: whole number of 5000 digits; at most 19 are read"),
        ("a: 0x" + "f" * 5000, "net.yaml:1:4: whole number of 5002 digits; at most 19 are read"),
        ("[" * 3000, "net.yaml:1:65: nested deeper than 64 levels"),
        ('a: "\\0"\n', "net.yaml:1:4: text that holds a NUL or half a character; remove the escape"),
        ('"\\ud800": 1\n', "net.yaml:1:1: text that holds a NUL or half a character; remove the escape"),
    ],
)
def test_refusals_name_the_place_and_the_cure(text, message):
    assert refused(text) == message


def test_zeros_in_front_are_no_digits():
    assert read("a: " + "0" * 5000 + "7") == {"a": 7}


def test_duplicates_and_merge_keys_are_told_together_with_what_stops_the_reader():
    lines = refused("a: 1\na: 2\n<<: 1\nb: [\n").split("\n")
    assert [line.split(": ")[0] for line in lines[:2]] == ["net.yaml:2:1", "net.yaml:3:1"]
    assert "not YAML" in lines[2]


def test_a_tab_is_named():
    assert refused("a:\n\tb: 1\n").endswith("indent with spaces, not tabs")


def test_bytes_that_are_no_utf_8_say_where():
    assert refused(b"a: \xff\n") == "net.yaml: not UTF-8 text (byte 3); save it as UTF-8"


@pytest.mark.parametrize("text", ["a: \0", "a: \x07", 'a: "\\UFFFFFFFF"', "%YAML 9.9\n---\na: 1", "a: !<%ff> b"])
def test_characters_and_escapes_that_no_yaml_has(text):
    assert "not YAML" in refused(text)


def test_size_and_node_limits():
    assert refused("#" * (MAX_BYTES + 1)) == (
        f"net.yaml: {MAX_BYTES + 1} bytes; a config has at most {MAX_BYTES}; split it with 'extends'"
    )
    assert f"more than {MAX_NODES} values" in refused("[" + "1," * (MAX_NODES + 1) + "]")


def test_aliases_count_as_often_as_they_are_used():
    laughs = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    laughs += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert f"more than {MAX_NODES} values, aliases expanded" in refused("\n".join(laughs))


def test_an_alias_is_the_anchored_value_at_the_anchors_place():
    node = read_text("a: &x [1]\nb: *x\n", "net.yaml")
    assert plain(node) == {"a": [1], "b": [1]}
    assert str(node.get("b").mark) == "net.yaml:1:4"


def test_a_missing_file_points_to_init(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_file(tmp_path / "gone.yaml")
    assert str(caught.value) == (
        f"{tmp_path}/gone.yaml: cannot be read: No such file or directory; write a starter config with 'slimtrain init'"
    )


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_file(tmp_path)


def quietly(text):
    """Reads a text; every refusal is a ConfigError whose lines can be printed."""
    try:
        read_text(text, "net.yaml")
    except ConfigError as error:
        str(error).encode()
        assert error.problems and all(len(str(p)) < 2000 for p in error.problems)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_makes_any_other_error(text):
    quietly(text)


TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "  ",
    "&a ",
    "*a",
    "!!int ",
    "!x ",
    "? ",
    "|\n",
    '"',
    "'",
    "\\",
    "#",
]
TOKENS += [
    "<<: *a",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\t",
    "\0",
    "\x85",
    "1e-3",
    "$x",
    "~",
    "\\u12",
    "\ufeff",
    "%",
]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_mutation_of_a_config_makes_any_other_error(data):
    text = CONFIG
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        put = data.draw(st.sampled_from(TOKENS) | st.text(max_size=4))
        text = text[:start] + put + text[start + length :]
    quietly(text)


@given(st.from_regex(r"[-+]?[0-9]{1,18}", fullmatch=True))
def test_digits_are_decimal_whatever_they_begin_with(text):
    assert read(f"a: {text}") == {"a": int(text)}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back(value):
    assert read(f"a: {value!r}") == {"a": value} or re.fullmatch(r"-?[0-9]+", repr(value))


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="cannot be read: it is a pipe or a device, not a file"):
            read_file(path)
    with contextlib.suppress(ConfigError):  # looks like a file, waits for the next message once those so far are read
        for _ in range(2):
            read_file(Path("/proc/kmsg"))
    (tmp_path / "net.yaml").write_text("extends: pipe.yaml\n")
    with pytest.raises(ConfigError, match="pipe.yaml: cannot be read"):
        extended(tmp_path / "net.yaml")


def test_a_long_text_counts_as_often_as_it_is_named():
    text = f"a: &a {'x' * 500_000}\nb: [{', '.join(['*a'] * 100)}]\n"
    assert f"more than {MAX_NODES} values" in refused(text)
    assert read("a: " + "x" * 500_000)["a"] == "x" * 500_000


def test_every_duplicate_names_the_first():
    told = refused("".join(f"k{n}: 1\n" for n in range(2000)) + "k1999: 1\n" * 2000)
    assert told.count("duplicate key 'k1999'; it stands at line 2000") == 2000
