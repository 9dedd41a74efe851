"""The contract of every registered function: one sentence, every argument documented, in every listing."""

import json
import re
import types
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from slimtrain.config.catalog import Catalog, Definition, schedule
from slimtrain.config.reference import listing, parameters_of, reference, reference_json
from slimtrain.config.schema import json_schema
from slimtrain.jobs.builtin import catalog

SCHEMA = json_schema(catalog())
LISTING = listing(catalog())
TABLE = {f"{k} {n}": (n, d) for k, ds in catalog().definitions.items() for n, d in ds.items()}
every_definition = pytest.mark.parametrize(("name", "definition"), TABLE.values(), ids=TABLE)


@every_definition
def test_is_documented(name: str, definition: Definition) -> None:
    assert definition.summary.endswith("."), "the summary is one line, a sentence"
    assert not re.search(r"[a-z)]\. [A-Z]", definition.summary.removesuffix(".")), "one sentence"
    assert [p.name for p in parameters_of(definition).values() if not p.doc] == []


@every_definition
def test_stands_in_the_schema(name: str, definition: Definition) -> None:
    known = SCHEMA["$defs"][f"{definition.kind}.{definition.name}"]
    assert known["description"] == definition.summary
    assert parameters_of(definition).keys() <= _properties(known).keys()


def _properties(schema: Any) -> dict[str, Any]:
    forms = [schema, *schema.get("anyOf", [])]
    return next(f["properties"] for f in forms if "properties" in f)


@every_definition
def test_its_defaults_are_values(name: str, definition: Definition) -> None:
    properties = _properties(SCHEMA["$defs"][f"{definition.kind}.{definition.name}"])
    for parameter in parameters_of(definition).values():
        own = properties[parameter.name]
        assert ("default" in own) == (not parameter.required)
        if not parameter.required:
            Draft202012Validator({**own, "$defs": SCHEMA["$defs"]}).validate(own["default"])


@every_definition
def test_stands_in_the_listing(name: str, definition: Definition) -> None:
    group = LISTING.split(f"{definition.kind}\n", 1)[1].split("\n\n")[0]
    lines = [line for line in group.splitlines() if line.split()[0] == definition.name]
    assert len(lines) == 1 and lines[0].endswith(definition.summary)


@every_definition
def test_reference_tells_every_argument(name: str, definition: Definition) -> None:
    page, data = reference(definition), reference_json(definition)
    assert page.startswith(f"{definition.name} ({definition.kind}") and definition.summary in page
    firsts = [line.split()[0] for line in page.splitlines() if line and line[0] != " "]
    assert parameters_of(definition).keys() <= set(firsts)
    assert "any value" not in page
    assert [a["name"] for a in data["arguments"]] == list(parameters_of(definition))
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_reference_page() -> None:
    page = reference(catalog().kind("layer")["conv2d"])
    assert page.startswith("conv2d (layer, also convolution2d)\n\nAdds a 2-D convolution")
    assert "\nnum_outputs          whole number from 1         required  output channels.\n" in page
    assert "Every layer takes besides: scope, default_scope, reuse" in page
    order = [page.index(word) for word in ("argument ", "Variables:", "Returns:", "Raises:", "Source:")]
    assert order == sorted(order) and "Args:" not in page
    assert not page.endswith("\n")


def test_a_long_name_shows_the_same_page() -> None:
    layers = catalog().kind("layer")
    assert reference(layers["convolution2d"]) == reference(layers["conv2d"])
    assert "\n  convolution2d" not in LISTING


def test_reference_json() -> None:
    scale = {
        "name": "scale",
        "type": "number from 0",
        "default": None,
        "required": True,
        "doc": "factor from 0.",
    }
    assert reference_json(catalog().kind("regularizer")["l2"])["arguments"] == [scale]


def test_a_loss_tells_its_words() -> None:
    told = [a["name"] for a in reference_json(catalog().kind("loss")["softmax_cross_entropy"])["arguments"]]
    assert {"logits", "labels", "weight", "class_weights"} <= set(told)


def test_listing_is_grouped_by_kind() -> None:
    kinds = [group.splitlines()[0] for group in LISTING.split("\n\n")]
    assert kinds[:3] == ["layer", "join", "activation"]
    assert listing(Catalog.of([])) == ""


def test_a_function_without_docs_has_a_page_all_the_same() -> None:
    @schedule()
    def steady(step: Any, *, rate: float = 0.1) -> Any:
        return rate

    module = types.ModuleType("plugin")
    vars(module)["steady"] = steady
    page = reference(Catalog.of([module]).kind("schedule")["steady"])
    assert page.splitlines()[0] == "steady (schedule)" and "rate      number  0.1" in page
