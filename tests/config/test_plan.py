"""Plans: blocks, joins, taps, inputs and repeats written out, and what a user reads when they cannot be."""

import pytest

from slimtrain.config.records import GroupPlan, LayerPlan

FC = "fully_connected: {num_outputs: 3}"
BLOCKS = """blocks:
  unit:
    params: {width: 4, name: x, last: null}
    scope: unit
    layers:
    - fully_connected: {num_outputs: $width, scope: "${name}_${width}", activation_fn: $last}
"""


def told(problems, layers, top=""):
    body = "\n".join("  " + line for line in layers.split("\n"))
    return [line.removeprefix("net.yaml:") for line in problems(f"model:\n  layers:\n{body}\n{top}")]


def test_a_block_is_filled_with_its_params(plan):
    built = plan("- block: unit\n- {block: unit, scope: b, with: {width: 8, name: y, last: tanh}}", top=BLOCKS)
    first, second = built.layers()
    assert (first.path, first.op.value("num_outputs"), first.op.value("activation_fn")) == ("unit/x_4", 4, None)
    assert (second.path, second.op.value("num_outputs")) == ("b/y_8", 8)
    assert second.op.value("activation_fn").name == "tanh"
    assert first.op.arguments["num_outputs"].origin.mark.short == "net.yaml:6"


def test_true_and_one_given_to_a_block_stay_apart(problems):
    found = told(problems, "- {block: unit, with: {width: true}}", BLOCKS)
    assert found == [
        "3:33: fully_connected 'x_true': num_outputs: expected a whole number, got true",
    ]


def test_blocks_inside_blocks(paths):
    top = """blocks:
  outer: {params: {n: 2}, scope: o, layers: [{block: inner, with: {m: $n}}]}
  inner: {params: [m], layers: [{fully_connected: {num_outputs: $m, scope: "f${m}"}}]}
"""
    assert paths("- block: outer\n- {block: outer, scope: p, with: {n: 7}}", top=top) == ["o/f2", "p/f7"]


@pytest.mark.parametrize(
    ("layers", "top", "lines"),
    [
        ("- block: unti", BLOCKS, ["3:12: block: no block 'unti'; did you mean 'unit'?"]),
        ("- block: 3", BLOCKS, ["3:12: block: no block 3; blocks are (unit)"]),
        (
            "- {block: unit, with: {widht: 3}}",
            BLOCKS,
            ["3:26: block unit: no param 'widht'; did you mean 'width'?"],
        ),
        (
            "- block: a",
            "blocks: {a: {params: [n, m], layers: [{dropout: {keep_prob: $n}}]}}",
            [
                "3:5: block a: param 'n' is not given; add 'with: {n: ...}'",
                "3:5: block a: param 'm' is not given; add 'with: {m: ...}'",
            ],
        ),
        (
            "- block: a",
            "blocks:\n  a: {layers: [{block: b}]}\n  b: {layers: [{block: a}]}",
            ["6:24: block: block 'a' holds itself"],
        ),
        (
            "- block: a",
            "blocks: {a: [flatten]}",
            ["4:13: block a: holds no 'layers'; write 'a: {params: {...}, layers: [...]}'"],
        ),
        (
            "- {block: unit, activation_fn: relu}",
            BLOCKS,
            ["3:19: block unit: unknown argument 'activation_fn' (block unit takes: layers, arg_scope, repeat)"],
        ),
    ],
)
def test_blocks_that_cannot_be_filled(problems, layers, top, lines):
    assert told(problems, layers, top) == lines


def test_repeated_blocks_are_numbered(paths, plan):
    text = f"- {{layers: [{{{FC}}}], scope: unit, repeat: 3}}"
    assert paths(text) == [f"unit_{i}/fully_connected" for i in (1, 2, 3)]
    assert paths(f"- {{layers: [{{{FC}}}], repeat: 2}}") == ["fully_connected", "fully_connected_1"]
    assert paths("- {block: unit, repeat: 2}", top=BLOCKS) == ["unit_1/x_4", "unit_2/x_4"]
    assert paths("- {block: unit, repeat: 2, scope: b}", top=BLOCKS) == ["b_1/x_4", "b_2/x_4"]


def test_a_repeated_block_takes_its_inputs_first_and_gives_its_alias_last(plan):
    built = plan(
        f"- dropout: {{scope: a}}\n- flatten\n"
        f"- {{layers: [{{{FC}}}], scope: u, repeat: 3, inputs: a, alias: end}}\n- flatten: {{inputs: end}}"
    )
    copies = built.items[2].branches[0]
    assert [c.words.inputs for c in copies] == [("a",), (), ()]
    assert [c.words.alias for c in copies] == [(), (), ("end",)]
    assert built.items[3].words.inputs == ("end",)


def test_a_repeated_tap_is_a_tap(plan):
    (item,) = plan("- tap: {layers: [flatten], repeat: 2}").items
    assert item.kind == "tap" and len(list(plan("- tap: {layers: [flatten], repeat: 2}").layers())) == 2


def test_a_default_scope_is_made_unique(paths, problems):
    unit = "{layers: [flatten], default_scope: unit}"
    assert paths(
        f"- {unit}\n- {unit}\n- {{layers: [{unit}, flatten: {{default_scope: unit}}], scope: unit_2}}\n- {unit}"
    ) == [
        "unit/Flatten",
        "unit_1/Flatten",
        "unit_2/unit/Flatten",
        "unit_2/unit_1",
        "unit_3/Flatten",
    ]
    assert paths("- flatten: {default_scope: a, scope: b}") == ["b"]


def test_joins(plan):
    built = plan(f"""- residual: {{scope: r, layers: [{{{FC}}}], activation_fn: relu}}
- concat:
    scope: m
    axis: 1
    branches: [flatten, [flatten, {{{FC}}}], {{scope: b, layers: [flatten]}}, []]
- add: {{branches: [[], [flatten]]}}
- multiply: {{inputs: [r, m]}}""")
    residual, concat, add, multiply = built.items
    assert [len(b) for b in residual.branches] == [0, 1] and residual.path == "r"
    assert residual.join.value("activation_fn").name == "relu"
    assert [len(b) for b in concat.branches] == [1, 2, 1, 0] and concat.join.value("axis") == 1
    assert [x.path for b in concat.branches for x in b] == [*("m/Flatten", "m/Flatten_1", "m/fully_connected", "m/b")]
    assert add.path == "" and [len(b) for b in add.branches] == [0, 1]
    assert multiply.branches == () and multiply.words.inputs == ("r", "m")


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ("- add: {}", "add: joins nothing; give 'branches', or 'inputs' with two end points"),
        ("- add: {branches: []}", "add: joins nothing; give 'branches', or 'inputs' with two end points"),
        ("- add: {inputs: a}", "add: joins nothing; give 'branches', or 'inputs' with two end points"),
        ("- residual: {}", "residual: joins nothing; give 'layers', or 'inputs' with two end points"),
        ("- add: {inputs: [a, b], branches: [flatten]}", "add: takes one input, got 2; join them with concat or add"),
        ("- dropout: {inputs: [a, b]}", "dropout: takes one input, got 2; join them with concat or add"),
        (
            "- {inputs: [a, b], layers: [flatten]}",
            "block: takes one input, got 2; join them with concat or add",
        ),
    ],
)
def test_how_many_inputs_an_item_takes(problems, layers, line):
    first = "- flatten: {scope: a}\n- flatten: {scope: b}\n"
    assert [x.split(" ", 1)[1] for x in told(problems, first + layers)] == [line]


def test_inputs_are_found_inside_the_scope_first_then_outwards(plan):
    built = plan("""- flatten: {scope: a}
- flatten: {scope: b, alias: [tip, other]}
- scope: u
  layers:
  - flatten: {scope: a}
  - dropout: {inputs: a, scope: c}
  - dropout: {inputs: /a, scope: d}
  - dropout: {inputs: tip, scope: e}
- dropout: {inputs: u/a, scope: f}
- dropout: {inputs: u, scope: g}
- {inputs: other, layers: [flatten]}""")
    found = {x.path: x.words.inputs for x in built.layers() if x.words.inputs}
    assert found == {"u/c": ("u/a",), "u/d": ("a",), "u/e": ("tip",), "f": ("u/a",), "g": ("u",)}
    assert built.items[-1].words.inputs == ("other",)


def test_the_normalizer_inside_a_layer_is_an_end_point(plan):
    layer = "- fully_connected: {num_outputs: 3, scope: fc, normalizer_fn: batch_norm"
    by_default = plan(f"{layer}}}\n- dropout: {{inputs: fc/BatchNorm}}")
    named = plan(f"{layer}, normalizer_params: {{scope: bn}}}}\n- dropout: {{inputs: fc/bn}}")
    assert [p.items[-1].words.inputs for p in (by_default, named)] == [("fc/BatchNorm",), ("fc/bn",)]


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        (
            "- dropout: {inputs: later}\n- flatten: {scope: later}",
            "3:23: dropout: inputs: no earlier end point 'later'; "
            "inputs are earlier end points; 'slimtrain inspect' lists them",
        ),
        (
            "- flatten: {scope: pool1}\n- dropout: {inputs: pool}",
            "4:15: dropout: inputs: no earlier end point 'pool'; did you mean 'pool1'?",
        ),
        (
            "- dropout: {scope: a, inputs: a}",
            "3:25: dropout 'a': inputs: no earlier end point 'a'; "
            "inputs are earlier end points; 'slimtrain inspect' lists them",
        ),
        (
            "- {scope: u, layers: [{dropout: {inputs: u}}]}",
            "3:36: dropout: inputs: no earlier end point 'u'; "
            "inputs are earlier end points; 'slimtrain inspect' lists them",
        ),
    ],
)
def test_inputs_that_name_nothing_earlier(problems, layers, line):
    found = told(problems, layers)
    assert [x.split(": ", 1)[1] for x in found] == [line.split(": ", 1)[1]]


def test_a_tap_is_a_side_run_whose_end_points_stay(plan):
    built = plan("- tap: {scope: aux, layers: [{dropout: {scope: d}}]}\n- flatten: {inputs: aux/d}\n- dropout")
    tap, flatten, _ = built.items
    assert isinstance(tap, GroupPlan) and (tap.kind, tap.path) == ("tap", "aux")
    assert isinstance(flatten, LayerPlan) and flatten.words.inputs == ("aux/d",)


def test_words(plan):
    layer = next(
        iter(
            plan(
                "- dropout: {scope: d, alias: x, outputs_collections: [a, b], trainable: false, remat: true, "
                "variables_collections: {weights: w}}"
            ).layers()
        )
    )
    words = layer.words
    assert (words.alias, words.outputs_collections, words.trainable, words.remat) == (("x",), ("a", "b"), False, True)
    assert words.variables_collections == {"weights": ("w",)} and words.reuse is False


def test_reuse_of_a_block_reaches_what_is_inside(problems):
    block = f"- {{scope: b, layers: [{{{FC.replace('3', '3, scope: f')}}}]}}"
    again = block.replace("{scope: b", "{scope: b, reuse: true")
    assert told(problems, f"{block}\n{again}") == []


def test_items_have_an_end(problems, monkeypatch):
    monkeypatch.setattr("slimtrain.config.plan.MAX_ITEMS", 1500)
    layers = "flatten"
    for _ in range(3):
        layers = f"{{layers: [{layers}], repeat: 1000}}"
    found = told(problems, f"- {layers}")
    assert found == ["3:35: model: more than 1500 items once its blocks and repeats are written out; repeat less"]


def test_what_blocks_write_out_has_an_end(problems, monkeypatch):
    monkeypatch.setattr("slimtrain.config.scopes.MAX_WRITTEN", 5000)
    body = "{dropout: {for: {n: 20}, keep_prob: 0.5}}"
    top = f"blocks: {{b: {{layers: [{body}]}}}}"
    assert told(problems, "- {block: b, for: {i: 50}}", top) == []
    found = told(problems, "- {block: b, for: {i: 100}}", top)
    assert found == ["4:13: model: blocks and scopes of more than 5000 values, all written out; repeat less"]


def test_blocks_that_double_have_an_end(problems):
    top = "blocks:\n" + "".join(
        f"  b{i}: {{params: [x], layers: [{{block: b{i + 1}, with: {{x: {{layers: [$x, $x]}}}}}}]}}\n"
        for i in range(40)
    )
    top += "  b40: {params: [x], layers: [$x]}\n"
    assert len(told(problems, "- {block: b0, with: {x: {layers: []}}}", top)) >= 1


def test_blocks_that_nest_too_deep_are_one_line(problems):
    top = "blocks:\n" + "".join(f"  b{i}: {{layers: [{{block: b{i + 1}}}]}}\n" for i in range(900))
    found = told(problems, "- block: b0", top + "  b900: {layers: [flatten]}\n")
    assert found == [
        "net.yaml: its blocks, scopes and params are nested too deep once they are written out; nest less".removeprefix(
            "net.yaml:"
        )
    ]


def test_a_mistake_in_a_repeated_block_is_told_once(problems):
    assert len(told(problems, "- {layers: [{dropout: {keep_prob: 7}}], scope: u, repeat: 50}")) == 1


def test_order_of_creation(paths):
    assert paths("""- flatten: {scope: a}
- residual: {scope: r, shortcut: [{flatten: {scope: s}}], layers: [{flatten: {scope: l}}]}
- tap: {layers: [{flatten: {scope: t}}]}
- flatten: {scope: z}""") == ["a", "r/s", "r/l", "t", "z"]
