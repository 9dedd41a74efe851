"""The forms of an item, and what a user reads where an item has none of them."""

import pytest


def told(problems, layers):
    body = "\n".join("  " + line for line in layers.split("\n"))
    return [line.removeprefix("net.yaml:") for line in problems(f"model:\n  layers:\n{body}\n")]


@pytest.mark.parametrize(
    ("layers", "lines"),
    [
        ("- conv2", ["3:5: layers: no op 'conv2'; did you mean 'conv2d'?"]),
        ("- zzzzz: {}", ["3:5: layers: no op 'zzzzz'; 'slimtrain layers' lists the ops"]),
        ("- 3", ["3:5: layers: an item is an op, a block or a join, got 3"]),
        ("- [flatten]", ["3:5: layers: an item is an op, a block or a join, got a list"]),
        ("-", ["3:4: layers: an item is an op, a block or a join, got null"]),
        (
            "- flatten:\n  scope: x",
            [
                "3:5: layers: an item names one op, got the keys flatten, scope; "
                "write '- op: {argument: value}' with all words inside the braces, or a block with 'layers'"
            ],
        ),
        ("- flatten: 3", ["3:14: flatten: expected a mapping of arguments, got 3; write 'flatten: {...}'"]),
        ("- add: [a]", ["3:10: add: expected a mapping of arguments, got a list; write 'add: {...}'"]),
        ("- {layers: 3}", ["3:14: block: 'layers' is a list of items, got 3; put '- ' before each"]),
        (
            "- {layers: [], arg_scop: []}",
            [
                "3:18: block: unknown argument 'arg_scop'; did you mean 'arg_scope', 'scope'? "
                "(block takes: layers, arg_scope, repeat)"
            ],
        ),
        (
            "- {layers: [flatten], repeat: 0}",
            ["3:33: repeat: expected a whole number from 1 to 1000, got 0"],
        ),
        (
            "- {layers: [flatten], repeat: true}",
            ["3:33: repeat: expected a whole number from 1 to 1000, got true"],
        ),
        (
            "- repeat: {layer: flatten, repetitions: 1001}",
            ["3:43: repeat: expected a whole number from 1 to 1000, got 1001"],
        ),
        (
            "- repeat: {layer: flatten}",
            ["3:5: repeat: expected a whole number from 1 to 1000, got nothing; add 'repetitions'"],
        ),
        (
            "- repeat: {layer: flatten, repetitions: 2, stack_args: [1]}",
            ["3:46: repeat: unknown argument 'stack_args' (repeat takes: layer, repetitions, arg_scope)"],
        ),
        ("- repeat: {repetitions: 2}", ["3:5: repeat: 'layer' is missing; name the op to repeat"]),
        (
            "- repeat: {layer: {flatten: {scope: x}}, repetitions: 2}",
            ["3:21: repeat: its layer takes no scope of its own; set 'scope' on the repeat"],
        ),
        (
            "- stack: {layer: fully_connected}",
            ["3:5: stack: stack_args: missing; one entry a layer: [64, 32], [[64, 3], [32, 1]] or [{num_outputs: 64}]"],
        ),
        (
            "- stack: {layer: dropout, stack_args: [[0.5, 1]]}",
            ["3:42: stack: 2 values for dropout, which takes 1: ['keep_prob']"],
        ),
        (
            "- residual: {branches: [flatten]}",
            [
                "3:5: residual: joins nothing; give 'layers', or 'inputs' with two end points",
                "3:16: residual: unknown argument 'branches' "
                "(residual takes: shortcut, layers, arg_scope, activation_fn)",
            ],
        ),
        (
            "- add: {layers: [flatten]}",
            [
                "3:5: add: joins nothing; give 'branches', or 'inputs' with two end points",
                "3:11: add: unknown argument 'layers' (add takes: branches, arg_scope, activation_fn)",
            ],
        ),
        ("- concat: {branches: flatten}", ["3:24: concat: 'branches' is a list, got 'flatten'"]),
        ("- {block: x}", ["3:13: block: no block 'x'; declare it under 'blocks'"]),
    ],
)
def test_items_that_are_none(problems, layers, lines):
    assert told(problems, layers) == lines


def test_the_forms(plan):
    built = plan("""- flatten
- flatten: {}
- flatten:
- dropout: {keep_prob: 0.9}
- {layers: [flatten], scope: b}
- tap: {layers: [flatten], scope: t}
- residual: {layers: [flatten]}
- stack: {layer: fully_connected, stack_args: [3]}""")
    kinds = [getattr(item, "kind", None) or item.op.name for item in built.items]
    assert kinds == ["flatten", "flatten", "flatten", "dropout", "block", "tap", "join", "block"]


def test_stack_args_are_positional_lists_or_mappings(plan):
    built = plan("""- stack:
    layer: {conv2d: {padding: VALID, kernel_size: 9}}
    stack_args: [[64, 3], [32, [1, 2]], {num_outputs: 8}]
    scope: c""")
    names = ("num_outputs", "kernel_size", "padding")
    assert [tuple(x.op.value(n) for n in names) for x in built.layers()] == [
        (64, (3, 3), "VALID"),
        (32, (1, 2), "VALID"),
        (8, (9, 9), "VALID"),
    ]
    assert [x.path for x in built.layers()] == ["c/c_1", "c/c_2", "c/c_3"]


def test_a_repeat_of_a_block_or_a_join(paths):
    assert paths("- repeat: {layer: {layers: [flatten]}, repetitions: 2, scope: b}") == [
        "b/b_1/Flatten",
        "b/b_2/Flatten",
    ]
    assert paths("- repeat: {layer: {residual: {layers: [flatten]}}, repetitions: 2, scope: unit}") == [
        "unit/unit_1/Flatten",
        "unit/unit_2/Flatten",
    ]
