"""Arg scopes: TF-Slim's merge rule, checked where the scope is written."""

from functools import reduce
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slimtrain.config.document import check
from slimtrain.config.nodes import make
from slimtrain.config.records import Component
from slimtrain.errors import Mark
from slimtrain.jobs.builtin import catalog

CONV = "- conv2d: {num_outputs: 4, kernel_size: 3, scope: c}"


def first(plan):
    return next(iter(plan.layers())).op.arguments


def value(plan, name):
    return first(plan)[name].value


def config(scope, layers=CONV, named=""):
    model = "\n".join("    " + line for line in scope.strip("\n").split("\n"))
    return f"{named}\nmodel:\n  arg_scope:\n{model}\n  layers:\n  {layers}\n"


def test_the_call_beats_the_inner_beats_the_outer_beats_the_default(document):
    text = config(
        "{ops: conv2d, stride: 2, padding: VALID, activation_fn: tanh}",
        """- arg_scope: {ops: [conv2d], stride: 3, padding: SAME}
    layers:
    - conv2d: {num_outputs: 4, kernel_size: 3, stride: 4}""",
    )
    arguments = first(document(text).plan)
    assert arguments["stride"].value == (4, 4) and arguments["padding"].value == "SAME"
    assert arguments["activation_fn"].value.name == "tanh" and arguments["weights_regularizer"].value is None
    told = [[(str(o), v) for o, v in arguments[n].chain] for n in ("stride", "padding", "activation_fn")]
    assert told == [
        [
            ("default", (1, 1)),
            ("scope at net.yaml:4", 2),
            ("scope at net.yaml:6", 3),
            ("call at net.yaml:8", 4),
        ],
        [("default", "SAME"), ("scope at net.yaml:4", "VALID"), ("scope at net.yaml:6", "SAME")],
        [("default", "relu"), ("scope at net.yaml:4", "tanh")],
    ]
    assert str(arguments["weights_initializer"].origin) == "default"


def test_entries_of_a_list_are_entered_in_order(document):
    text = config("- {ops: conv2d, stride: 2}\n- {ops: [conv2d], activation_fn: null}\n- {ops: conv2d, stride: 3}")
    plan = document(text).plan
    assert value(plan, "stride") == (3, 3) and value(plan, "activation_fn") is None


def test_null_is_a_value(document):
    text = config("- {ops: conv2d, normalizer_fn: batch_norm}\n- {ops: conv2d, normalizer_fn: null}")
    assert value(document(text).plan, "normalizer_fn") is None


def test_required_arguments_may_come_from_a_scope(document):
    text = config("{ops: conv2d, num_outputs: 8, kernel_size: [1, 3]}", "- conv2d")
    assert value(document(text).plan, "kernel_size") == (1, 3)


def test_a_scope_on_an_alias_is_a_scope_on_the_op(document):
    for listed, called in (("convolution2d", "conv2d"), ("conv2d", "convolution2d")):
        plan = document(config(f"{{ops: {listed}, stride: 2}}", CONV.replace("conv2d", called))).plan
        assert value(plan, "stride") == (2, 2)
    assert len(first(document(config("{ops: [conv2d, convolution2d], stride: 2}")).plan)["stride"].chain) == 2


def test_scopes_reach_the_normalizer_and_its_params_beat_them(document):
    scope = """- {ops: [batch_norm], decay: 0.5, scale: true, trainable: false}
- {ops: [conv2d], normalizer_fn: batch_norm, normalizer_params: {decay: 0.7}}"""
    normalizer = value(document(config(scope)).plan, "normalizer_fn")
    assert (normalizer.value("decay"), normalizer.value("scale")) == (0.7, True)
    assert normalizer.value("trainable") is False
    assert [str(o) for o, _ in normalizer.arguments["decay"].chain][:2] == ["default", "scope at net.yaml:4"]


def test_normalizer_params_are_replaced_not_merged(document):
    scope = """- {ops: [conv2d], normalizer_fn: batch_norm, normalizer_params: {decay: 0.7}}
- {ops: [conv2d], normalizer_params: {scale: true}}"""
    normalizer = value(document(config(scope)).plan, "normalizer_fn")
    assert (normalizer.value("decay"), normalizer.value("scale")) == (0.999, True)


def test_clear_drops_what_is_active(document):
    text = config("- {ops: conv2d, stride: 2}\n- {clear: true}\n- {ops: conv2d, padding: VALID}")
    plan = document(text).plan
    assert value(plan, "stride") == (1, 1) and value(plan, "padding") == "VALID"


def test_named_scopes_with_params_enter_on_top_of_what_is_active(document):
    named = """scopes:
  bn:
    params: {decay: 0.99, wd: 1.0e-4}
    arg_scope:
    - {ops: [conv2d], weights_regularizer: {l2: $wd}, normalizer_fn: batch_norm}
    - {ops: [batch_norm], decay: $decay}
  wide: {ops: conv2d, padding: VALID}
  both: [bn, wide]"""
    scope = "- {ops: conv2d, stride: 2}\n- {use: bn, with: {decay: 0.9}}\n- wide"
    arguments = first(document(config(scope, named=named)).plan)
    assert arguments["normalizer_fn"].value.value("decay") == 0.9
    assert arguments["weights_regularizer"].value.value("scale") == 1e-4
    assert arguments["padding"].value == "VALID" and arguments["stride"].value == (2, 2)
    assert str(arguments["padding"].origin) == "scope at net.yaml:7"
    nested = first(document(config("both", named=named)).plan)
    assert nested["normalizer_fn"].value.value("decay") == 0.99 and nested["padding"].value == "VALID"
    one_entry = named.replace("both: [bn, wide]", "both: {use: bn, with: {wd: 0.5}}")
    assert first(document(config("both", named=one_entry)).plan)["weights_regularizer"].value.value("scale") == 0.5


def test_scopes_stand_on_blocks_joins_and_branches(plan):
    built = plan("""- concat:
    arg_scope: {ops: conv2d, stride: 2}
    branches:
    - {arg_scope: {ops: conv2d, padding: VALID}, layers: [{conv2d: {num_outputs: 1, kernel_size: 1}}]}
    - [{conv2d: {num_outputs: 1, kernel_size: 1}}]
- conv2d: {num_outputs: 1, kernel_size: 1}""")
    found = [(x.op.value("stride")[0], x.op.value("padding")) for x in built.layers()]
    assert found == [(2, "VALID"), (2, "SAME"), (1, "SAME")]


def test_words_that_a_scope_may_set(document):
    text = config("{ops: [conv2d, add], outputs_collections: seen, trainable: false}")
    words = next(iter(document(text).plan.layers())).words
    assert words.outputs_collections == ("seen",) and words.trainable is False
    assert str(words.arguments["trainable"].origin) == "scope at net.yaml:4"


def test_what_is_wrong_in_a_scope_is_told_at_the_scope(problems):
    scope = """- {ops: [conv3d, conv2d], strid: 2}
- {ops: [conv2d, dropout], keep_prob: 0.5}
- {ops: [conv2d], scope: x}
- {use: bn}
- base
- {stride: 2}
- 3
- {clear: yes}
- {clear: true, ops: conv2d}
- {ops: conv2d, kernel_size: big}"""
    named = "scopes: {basic: {ops: conv2d, stride: 1}}"
    assert problems(config(scope, "- conv2d: {num_outputs: 4}", named)) == [
        "net.yaml:4:14: arg_scope: no op 'conv3d'; did you mean 'conv2d'?",
        "net.yaml:4:31: arg_scope: 'strid' is not an argument of conv2d; did you mean 'stride'?",
        "net.yaml:5:32: arg_scope: 'keep_prob' is not an argument of conv2d",
        "net.yaml:6:23: arg_scope: 'scope' is not an argument of conv2d",
        "net.yaml:7:13: arg_scope: no named scope 'bn'; named scopes are (basic)",
        "net.yaml:8:7: arg_scope: no named scope 'base'; did you mean 'basic'?",
        "net.yaml:9:7: arg_scope: an entry names its ops, got a mapping; "
        "write {ops: [...], argument: value}, {use: NAME, with: {...}}, NAME or {clear: true}",
        "net.yaml:10:7: arg_scope: an entry names its ops, got 3; "
        "write {ops: [...], argument: value}, {use: NAME, with: {...}}, NAME or {clear: true}",
        "net.yaml:11:15: arg_scope: clear: expected true, got 'yes'",
        "net.yaml:12:21: arg_scope: no 'ops' beside 'clear'",
        "net.yaml:13:34: conv2d: kernel_size: should be a whole number from 1, or a list of 2 of them, got 'big'",
    ]


def test_a_wrong_value_in_a_scope_is_told_once_however_many_layers_take_it(problems):
    text = config("{ops: conv2d, stride: 0}", f"{CONV}\n  {CONV.replace('c}', 'd}')}")
    assert len(problems(text)) == 1


def test_named_scopes_that_are_wrong(problems):
    named = """scopes:
  a: [{ops: conv2d, stride: 2}, b]
  b: [a]
  c: {params: {x: 1}}
  d: {arg_scope: [], prams: {}}
  e: {params: [x], arg_scope: {ops: conv2d, stride: $x}}
  f: {arg_scope: {ops: conv2d, stride: $y}}
  g:"""
    scope = "[a, c, d, e, {use: e, with: {y: 1}}, f, g]"
    assert problems(config(scope, named=named)) == [
        "net.yaml:3:7: arg_scope a: enters itself: a -> b -> a",
        "net.yaml:4:6: arg_scope c: holds no 'arg_scope'; write a list of entries, or {params, arg_scope}",
        "net.yaml:5:22: arg_scope: no 'prams' beside 'arg_scope'",
        "net.yaml:7:40: '$y' names no param; there are no params here",
        "net.yaml:11:15: arg_scope e: param 'x' is not given; add 'with: {x: ...}'",
        "net.yaml:11:18: arg_scope e: param 'x' is not given; add 'with: {x: ...}'",
        "net.yaml:11:34: arg_scope e: no param 'y'; it takes (x)",
    ]


def test_entries_that_nothing_consumed_are_warnings(document):
    scope = """- {ops: [conv2d, dropout], trainable: false}
- {ops: dropout, keep_prob: 0.9}
- {ops: conv2d, num_outputs: 3, stride: 2}"""
    assert [str(w) for w in document(config(scope)).warnings] == [
        f"net.yaml:{place}: arg_scope: {what} is never used; "
        "no layer of these ops stands inside it, or all set the argument themselves   [warning]"
        for place, what in (("5:22", "'keep_prob' for dropout"), ("6:21", "'num_outputs' for conv2d"))
    ]


# --- the merge rule against a model of TF-Slim's: the current dictionary copied, for each op updated ---

DECAYS = st.sampled_from([0.0, 0.5, 1.0])
NORMALIZERS = st.sampled_from([None, "batch_norm"])
PARAMS = st.none() | st.fixed_dictionaries({}, optional={"decay": DECAYS, "scale": st.booleans()})
ARGUMENTS = {
    "conv2d": {
        "stride": st.integers(1, 9),
        "padding": st.sampled_from(["SAME", "VALID"]),
        "activation_fn": st.sampled_from([None, "tanh"]),
        "normalizer_fn": NORMALIZERS,
        "normalizer_params": PARAMS,
    },
    "fully_connected": {"normalizer_fn": NORMALIZERS, "activation_fn": st.sampled_from([None, "relu"])},
    "max_pool2d": {"stride": st.integers(1, 9)},
    "batch_norm": {"decay": DECAYS, "scale": st.booleans()},
}
DEFAULTS = {
    "conv2d": {"stride": 1, "padding": "SAME", "activation_fn": "relu", "normalizer_fn": None},
    "fully_connected": {"activation_fn": "relu", "normalizer_fn": None},
    "max_pool2d": {"stride": 2},
    "batch_norm": {"decay": 0.999, "scale": False},
}
REQUIRED = {
    "conv2d": {"num_outputs": 4, "kernel_size": 3},
    "fully_connected": {"num_outputs": 4},
    "max_pool2d": {"kernel_size": 2},
    "batch_norm": {},
}
NAMED = {
    "pace": {"params": {"n": 3}, "arg_scope": [{"ops": ["conv2d", "max_pool2d"], "stride": "$n"}]},
    "bn": {
        "params": {"decay": 0.9, "how": "batch_norm"},
        "arg_scope": [
            {"ops": ["conv2d", "fully_connected"], "normalizer_fn": "$how"},
            {"ops": ["batch_norm"], "decay": "$decay"},
        ],
    },
    "both": {"params": {"n": 2}, "arg_scope": ["bn", {"use": "pace", "with": {"n": "$n"}}]},
    "fresh": {"params": {"n": 5}, "arg_scope": [{"clear": True}, {"use": "both", "with": {"n": "$n"}}]},
}


def some(op):
    return st.fixed_dictionaries({}, optional=ARGUMENTS[op])


def using(name, **values):
    return st.fixed_dictionaries({"use": st.just(name), "with": st.fixed_dictionaries({}, optional=values)})


OPS = st.sampled_from([*ARGUMENTS])
ENTRIES = st.one_of(
    OPS.flatmap(lambda op: some(op).map(lambda a: {"ops": [op], **a})),
    st.integers(1, 9).map(lambda n: {"ops": ["conv2d", "max_pool2d"], "stride": n}),
    NORMALIZERS.map(lambda n: {"ops": ["fully_connected", "conv2d"], "normalizer_fn": n}),
    st.just({"clear": True}),
    st.sampled_from([*NAMED]),
    using("bn", decay=DECAYS, how=NORMALIZERS),
    using("both", n=st.integers(1, 9)),
    using("fresh", n=st.integers(1, 9)),
)
CALLS = OPS.flatmap(lambda op: some(op).map(lambda a: {op: {**REQUIRED[op], **a}}))


def block(inner):
    return st.fixed_dictionaries(
        {"layers": st.lists(inner, min_size=1, max_size=3), "arg_scope": st.lists(ENTRIES, max_size=3)}
    )


def deep(depth):
    return block(CALLS if depth == 1 else st.one_of(CALLS, deep(depth - 1)))


def written(value, params):
    """A value of a named scope with its params in place."""
    if isinstance(value, dict):
        return {k: written(v, params) for k, v in value.items()}
    return params[value[1:]] if isinstance(value, str) and value.startswith("$") else value


def slim_scope(current, entry):
    """TF-Slim's arg_scope: the active dictionary inside an entry."""
    entry = {"use": entry} if isinstance(entry, str) else entry
    if "use" in entry:
        named = NAMED[entry["use"]]
        params = {**named["params"], **entry.get("with", {})}
        return reduce(slim_scope, [written(e, params) for e in named["arg_scope"]], current)
    if "clear" in entry:
        return {}
    inside = dict(current)
    for op in entry["ops"]:
        inside[op] = {**inside.get(op, {}), **{k: v for k, v in entry.items() if k != "ops"}}
    return inside


def slim_call(op, given, current):
    """The arguments that an op is called with; a normalizer is itself an op, called with normalizer_params."""
    got = {**DEFAULTS[op], **current.get(op, {}), **given}
    params = got.pop("normalizer_params", None)
    if got.get("normalizer_fn"):
        got["normalizer_fn"] = slim_call("batch_norm", params or {}, current)
    return got


def slim_calls(item, current):
    """Every op and the arguments that it is called with, in order."""
    if "layers" in item:
        current = reduce(slim_scope, item["arg_scope"], current)
        return [call for inner in item["layers"] for call in slim_calls(inner, current)]
    ((op, given),) = item.items()
    return [(op, slim_call(op, given, current))]


def simple(value):
    """A resolved value as the model has it."""
    if isinstance(value, Component):
        return {n: simple(a.value) for n, a in value.arguments.items()} if value.kind == "layer" else value.name
    return value[0] if isinstance(value, tuple) and value else value


def among(got, wanted):
    """What of `got` is also in `wanted`, and so in a normalizer's arguments."""
    return {n: among(got[n], w) if isinstance(w, dict) and got[n] is not None else got[n] for n, w in wanted.items()}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(deep(5))
def test_any_nest_of_scopes_resolves_as_tf_slim_does(nest):
    node = make({"scopes": NAMED, "model": {"layers": [nest]}}, Mark("net.yaml", 1, 1))
    layers = check(Path("net.yaml"), node, catalog()).plan.layers()
    expected = slim_calls(nest, {})
    found = [(x.op.name, {n: simple(a.value) for n, a in x.op.arguments.items()}) for x in layers]
    assert [(op, among(got, want)) for (op, got), (_, want) in zip(found, expected, strict=True)] == expected
