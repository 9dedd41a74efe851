"""Words, values, overrides and whole texts that are made to hurt whoever reads a config."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

Text = Callable[[random.Random, Path], bytes | None]

HEAD = "data: {source: digits}\n"
TAIL = "losses: [sparse_softmax_cross_entropy]\noptimizer: {sgd: {learning_rate: 0.1}}\ntrain: {steps: 1}\n"
NET = "model: {layers: [flatten, {fully_connected: {num_outputs: 10, activation_fn: null}}]}\n"
SLOW = ["(a+)+$", "(a|a)*b", "(.*)*x", "(a*)*$|b", ".*.*.*.*.*.*.*.*.*.*.*.*=", "(?:(?:a?){50}){50}a{50}", "(\\w+/?)+!"]
WRONG = [
    "(",
    "[",
    "*",
    "(?P<a>x)(?P<a>y)",
    "a{99999999999999999999}",
    "(" * 3000,
    "(?<=a+)b",
    "[[a]",
    "(?i",
    "\\",
    "x{9,1}",
]
WORDS = [
    "!!python/object/apply:os.system ['touch canary']",
    "!!python/name:os.system",
    "!!binary aGk=",
    "!!set {a}",
    "&a",
    "*a",
]
WORDS += [
    "<<",
    "<<: *a",
    "? a",
    "---",
    "...",
    "%YAML 1.1",
    "@",
    "`",
    "|",
    ">",
    "'",
    '"',
    "#",
    "\t",
    "\r",
    "\ufeff",
    "\x85",
]
WORDS += [
    "9" * 400,
    "1e999999",
    "-1e-999999",
    "0x" + "f" * 40,
    "0o777",
    "1_000",
    "12:30",
    ".inf",
    "-.inf",
    ".nan",
    "yes",
    "~",
]
WORDS += [
    "$",
    "$$",
    "${",
    "$(",
    "$(1",
    "$(1/0)",
    "$(2 ** 99)",
    "$(9999999999*9999999999)",
    "$(x" + "[0]" * 99 + ")",
    "${a}" * 99,
]
WORDS += [
    "$(" + "(" * 90 + "1" + ")" * 90 + ")",
    "$(" + "-" * 200 + "1)",
    "$(" + "not " * 90 + "true)",
    "$(1 if 1 else 2)",
]
WORDS += [
    "../../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "/",
    "//",
    "a//b",
    "/a",
    "a/",
    "~root",
    "C:\\x",
    "CON",
    "a" * 5000,
]
WORDS += [
    "\ud800",
    "\u202e",
    "é" * 300,
    "\x1b[31m",
    "a\nb",
    "conv1/../../x",
    "__output__",
    "__class__",
    "__import__('os')",
]
WORDS += [
    "{{7*7}}",
    "{0.__class__}",
    "%s%n",
    "os.system",
    "slimtrain.cli:main",
    "numpy.load",
    "lambda x: x",
    *SLOW,
    *WRONG,
]
VALUES: list[Any] = [
    *WORDS,
    "",
    [],
    {},
    [[]],
    [{}],
    {"": ""},
    {"a": {"a": {"a": {}}}},
    [None],
    [1, "a"],
    10**12,
    2**62,
    -1,
]
VALUES += [
    [10**9] * 4,
    [2**31 - 1] * 3,
    [1] * 65,
    [0],
    [-1],
    ["conv1"] * 3,
    {"l2": 1e308},
    {"l1": -1},
    "batch_norm",
    "conv2d",
]
VALUES += [
    {"conv2d": {"num_outputs": 10**9, "kernel_size": 1000}},
    {"fully_connected": {"num_outputs": 2**31 - 1}},
    "flatten",
]
VALUES += [{"repeat": {"layer": "flatten", "repetitions": 1000}}, {"layers": ["flatten"], "repeat": 1000}, {"use": "a"}]
VALUES += [
    {"exponential_decay": {"initial": 1e300, "decay_steps": 1, "decay_rate": 1e300}},
    {"constant": 1e39},
    "orthogonal",
]
VALUES += [
    {"reshape": {"shape": [-1, 2**31 - 1]}},
    {"pad": {"paddings": [[2**31, 2**31]]}},
    "identity",
    {"zeros": {}},
    "xavier",
]
VALUES += [
    {"one_hot_encoding": {"num_classes": 2**31 - 1}},
    {"maxout": {"num_units": 10**9}},
    {"residual": {"layers": []}},
]
OVERRIDES = [
    "",
    "=",
    "a",
    "~",
    "+",
    ".",
    "..=1",
    "a=",
    "=1",
    "+=1",
    "~=1",
    "~a=1",
    "model.layers.0=1",
    "+model.layers.0=flatten",
]
OVERRIDES += [
    "~model.layers.0",
    "model.layers.99999999999999999999=1",
    "+" + "a." * 3000 + "a=1",
    "+a=" + "[" * 70,
    "model=null",
]
OVERRIDES += [
    "~model",
    "+x={a: 1, a: 2}",
    "+x=&a [*a]",
    "train=[]",
    "train.steps=1e99",
    "seed=-1",
    "+params.x=$x",
    "+a=\x00",
]
OVERRIDES += [
    "+extends=/dev/zero",
    "extends=net.yaml",
    "+a=\udcff",
    "\udcff=1",
    "+train.freeze=['(a+)+$']",
    "losses.0=9",
    "+a=!!x",
]


def yaml_bomb(draw: random.Random, folder: Path) -> bytes:
    """Anchors of anchors: a few hundred bytes that stand for as many values as one likes."""
    width, depth = draw.choice([(2, 40), (9, 9), (50, 5), (1000, 3)])
    lines = ["x0: &a0 [" + ", ".join(["lol"] * width) + "]"]
    lines += [f"x{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * width) + "]" for i in range(1, depth)]
    return "\n".join(lines).encode()


def long_bomb(draw: random.Random, folder: Path) -> bytes:
    """One long text, named often."""
    size, times = draw.choice([(100_000, 20_000), (900_000, 5_000), (1000, 40_000)])
    named = ", ".join(["$x"] * times) if draw.random() < 0.5 else ", ".join(["*a"] * times)
    return (
        f"params: {{x: &a {'y' * size}}}\nmodel: {{layers: [{{conv2d: {{outputs_collections: [{named}]}}}}]}}".encode()
    )


def deep(draw: random.Random, folder: Path) -> bytes:
    """Nesting of any sort."""
    number = draw.choice([30, 63, 64, 65, 1000, 100_000])
    opening, closing = draw.choice(
        [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("[[{a: ", "}]]"), ("!!seq [", "]")]
    )
    return (opening * number + "1" + draw.choice([closing * number, ""])).encode()[: 1 << 20]


def deep_blocks(draw: random.Random, folder: Path) -> bytes:
    """Blocks in blocks, and blocks that name blocks."""
    depth, width = draw.choice([(5, 5), (12, 2), (30, 2), (30, 1), (60, 1), (9, 9)])
    last = draw.choice(["flatten", "dropout", "{conv2d: {num_outputs: 2, kernel_size: 1}}"])
    blocks = [f"  b0: {{layers: [{last}]}}"]
    blocks += [f"  b{i}: {{layers: [{', '.join([f'{{block: b{i - 1}}}'] * width)}]}}" for i in range(1, depth)]
    return (
        HEAD + "blocks:\n" + "\n".join(blocks) + f"\nmodel: {{layers: [{{block: b{depth - 1}}}]}}\n" + TAIL
    ).encode()


def deep_scopes(draw: random.Random, folder: Path) -> bytes:
    """Named scopes that enter named scopes, in a circle too."""
    depth, width = draw.choice([(5, 5), (31, 1), (33, 1), (20, 2), (9, 9)])
    first = draw.choice(["{ops: conv2d, padding: SAME}", f"{{use: s{depth - 1}}}"])
    scopes = [f"  s0: [{first}]"]
    scopes += [f"  s{i}: [{', '.join([f'{{use: s{i - 1}}}'] * width)}]" for i in range(1, depth)]
    layers = f"model: {{arg_scope: s{depth - 1}, layers: [flatten, {{fully_connected: {{num_outputs: 10}}}}]}}\n"
    return (HEAD + "scopes:\n" + "\n".join(scopes) + "\n" + layers + TAIL).encode()


def param_bomb(draw: random.Random, folder: Path) -> bytes:
    """Params made of params, each twice the one before."""
    depth = draw.choice([5, 17, 30, 200])
    pair = draw.choice(
        ["[$p{0}, $p{0}]", "${{p{0}}}${{p{0}}}", "$(p{0} + p{0})", "$(p{0} * p{0})", "{{a: $p{0}, b: $p{0}}}"]
    )
    first = draw.choice(["2", "lol", "[1, 2]", "1e300"])
    params = [f"  p0: {first}", *(f"  p{i}: {pair.format(i - 1)}" for i in range(1, depth))]
    return (HEAD + "params:\n" + "\n".join(params) + f"\nseed: $p{depth - 1}\n" + NET + TAIL).encode()


def copies(draw: random.Random, folder: Path) -> bytes:
    """`for`, `repeat` and `stack` multiplied."""
    times = draw.choice([2, 10, 100, 1000, 1001, 10**6, 10**12, -1])
    inner = draw.choice(["flatten", "dropout", "bias_add"])
    layer = f"{{for: {{i: {times}}}, layers: [{{for: {{j: {times}}}, layers: [{inner}]}}]}}"
    repeats = f"{{layers: [{{layers: [{inner}], repeat: {times}}}], repeat: {times}}}"
    stack = f"{{repeat: {{layer: {{dropout: {{}}}}, repetitions: {times}}}}}"
    return (HEAD + f"model: {{layers: [{draw.choice([layer, repeats, stack])}]}}\n" + TAIL).encode()


def huge(draw: random.Random, folder: Path) -> bytes:
    """Nets of more parameters than there are."""
    size = draw.choice([10**6, 10**9, 2**31 - 1, 2**31, 10**12])
    shape = draw.choice(
        ["[8, 8, 1]", "[1000000, 1000000, 3]", "[2147483647, 2147483647, 2147483647]", "[1]", f"[{size}]"]
    )
    weights = draw.choice(
        ["xavier", "zeros", "orthogonal", "identity", "{constant: 1}", "{truncated_normal: {stddev: 1}}"]
    )
    layer = draw.choice(
        [
            f"{{fully_connected: {{num_outputs: {size}, weights_initializer: {weights}}}}},"
            f" {{fully_connected: {{num_outputs: {size}}}}}",
            f"{{conv2d: {{num_outputs: {size}, kernel_size: [{size}, 3], weights_initializer: {weights}}}}}",
            f"{{conv2d_transpose: {{num_outputs: 1, kernel_size: 3, stride: {size}}}}}",
            f"{{separable_conv2d: {{num_outputs: null, kernel_size: 3, depth_multiplier: {size}}}}}",
            f"{{reshape: {{shape: [{size}, -1]}}}}",
            f"{{pad: {{paddings: [[{size}, {size}], [0, 1], [0, 0]]}}}}",
            f"{{one_hot_encoding: {{num_classes: {size}}}}}",
            f"gdn, {{conv2d: {{num_outputs: {size}, kernel_size: 1}}}}, gdn",
            f"{{max_pool2d: {{kernel_size: {size}, stride: {size}, padding: SAME}}}}",
            f"{{max_pool2d: {{kernel_size: {size}, stride: 1, padding: SAME}}}}",
            f"{{avg_pool2d: {{kernel_size: {size}, padding: VALID}}}}",
            f"{{conv2d: {{num_outputs: 1, kernel_size: 3, rate: {size}}}}}",
            f"{{group_norm: {{groups: {size}}}}}",
            f"{{lrn: {{depth_radius: {size}}}}}",
            "spatial_softmax",
        ]
    )
    given = f"model: {{input: {{shape: {shape}}}, layers: [{layer}]}}\n"
    return (HEAD + given + TAIL).encode()


def patterns(draw: random.Random, folder: Path) -> bytes:
    """Regular expressions that take for ever, or are none; names to search that make them."""
    pattern = draw.choice([*SLOW, *WRONG])
    key = draw.choice(["freeze: [P]", "variables_to_train: [P]", "gradient_multipliers: {P: 2.0}", "init_include: [P]"])
    name = "a" * draw.choice([10, 60, 500]) + draw.choice(["", "/" + "a" * 60])
    net = f"model: {{layers: [flatten, {{fully_connected: {{num_outputs: 10, scope: {name}}}}}]}}\n"
    quoted = "'" + pattern.replace("'", "''") + "'"
    return (HEAD + net + TAIL.replace("steps: 1", "steps: 1, " + key.replace("P", quoted))).encode()


def many_problems(draw: random.Random, folder: Path) -> bytes:
    """As many mistakes as fit, each with names to suggest."""
    number, size = draw.choice([(2000, 10), (20_000, 10), (300, 1500)])
    params = "params: {" + ", ".join(f"{'p' * (size - 6)}{i:06d}: 1" for i in range(number // 2)) + "}\n"
    keys = draw.choice(["", "x: [" + ", ".join(f"${'p' * (size - 6)}{i:06d}x" for i in range(number // 2)) + "]\n"])
    lines = "".join(f"{'train'[: 1 + i % 5]}{'z' * (size - 6)}{i:06d}: 1\n" for i in range(number // 2))
    return (draw.choice([params, ""]) + keys + lines + NET).encode()[: 1 << 20]


def duplicates(draw: random.Random, folder: Path) -> bytes:
    """The same keys again and again."""
    number = draw.choice([2, 1000, 12_000])
    return ("".join(f"k{i}: 1\n" for i in range(number)) + f"k{number - 1}: 1\n" * number).encode()


def odd_encoding(draw: random.Random, folder: Path) -> bytes:
    """The text of a config in another encoding, or with what is no text in it."""
    text = HEAD + NET + TAIL + "# é 😀\n"
    if draw.random() < 0.6:
        return text.encode(
            draw.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252", "utf-7"]), "replace"
        )
    spice = draw.choice(
        ["\0", "\ufeff", "\ud800", "\x85", "\u2028", "\x1b[2J", "\x7f", "\uffff", "\t", "\r", "\x0b", "\U0010ffff"]
    )
    at = draw.randrange(len(text))
    return (text[:at] + spice + text[at:]).encode("utf-8", "surrogatepass")


def large(draw: random.Random, folder: Path) -> bytes:
    """As many bytes as are read, of one thing."""
    size = draw.choice([(1 << 20) - 1, 1 << 20, (1 << 20) + 1])
    one = draw.choice(
        [
            "#",
            "\n",
            " ",
            "a",
            "a ",
            "[1,",
            "- 1\n",
            "a: 1\n",
            "'",
            '"',
            "'a'\n",
            "&a ",
            ":",
            ": ",
            "{}",
            ",",
            "%",
            "\u00e9",
        ]
    )
    return (draw.choice(["", "a: ", "[", '"', "a: |\n", "a: >\n"]) + one * size).encode()[:size]


def circles(draw: random.Random, folder: Path) -> bytes:
    """Files under files: in circles, many, missing, of other kinds."""
    text = (HEAD + NET + TAIL).encode()
    for i in range(40):
        (folder / f"f{i}.yaml").write_text(f"extends: f{i + 1}.yaml\n")
    (folder / "f40.yaml").write_bytes(text)
    (folder / "a.yaml").write_text("extends: [b.yaml, net.yaml]\n")
    (folder / "b.yaml").write_text("extends: [a.yaml]\n")
    os.mkfifo(folder / "pipe")
    os.symlink("loop", folder / "loop")
    names = [
        "net.yaml",
        "a.yaml",
        "f0.yaml",
        "f20.yaml",
        "pipe",
        "loop",
        ".",
        "/dev/zero",
        "/dev/tty",
        "/proc/self/mem",
        "gone",
    ]
    names += [
        "/dev/fd/0",
        "x" * 300,
        "/" + "x/" * 3000,
        "~",
        "'a\\0b'",
        "/proc/self/environ",
        "[f30.yaml, f31.yaml]",
        "f39.yaml/x",
    ]
    chosen = ", ".join(draw.choice(names) for _ in range(draw.choice([1, 1, 3, 500])))
    return f"extends: [{chosen}]\n".encode() + text


def no_file(draw: random.Random, folder: Path) -> None:
    """What stands in a config's place: a pipe that nobody writes, a device, a folder, a circle of links, nothing."""
    path = folder / "net.yaml"
    places = [
        "/dev/zero",
        "/dev/full",
        "/dev/null",
        "/dev/random",
        "/proc/self/mem",
        "/proc/kmsg",
        "net.yaml",
        "gone",
        "/",
    ]
    choice = draw.randrange(4)
    if choice == 0:
        os.mkfifo(path)
    elif choice == 1:
        path.mkdir()
    elif choice == 2:
        os.symlink(draw.choice(places), path)
    else:
        with path.open("wb") as file:
            file.truncate(draw.choice([0, 1 << 20, 1 << 40]))


TEXTS: list[tuple[str, Text]] = [
    (function.__name__.replace("_", " "), function)
    for function in (yaml_bomb, long_bomb, deep, deep_blocks, deep_scopes, param_bomb, copies, huge, huge, patterns)
]
TEXTS += [
    (function.__name__.replace("_", " "), function)
    for function in (many_problems, duplicates, odd_encoding, large, circles, no_file)
]
