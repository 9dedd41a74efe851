"""`layers` and `schema`: what a config can name, off the definitions."""

import json

import jsonschema
import yaml


def test_everything_is_listed_by_kind(cli):
    told = json.loads(cli("layers", "--json").out)
    assert {"conv2d", "batch_norm", "dropout"} <= set(told["layer"]) and "momentum" in told["optimizer"]
    assert "digits" in told["source"] and "accuracy" in told["metric"]
    text = cli("layers").out
    assert all(name in text for names in told.values() for name in names)


def test_one_op(cli):
    told = json.loads(cli("layers", "dropout", "--json").out)
    assert (told["name"], told["kind"]) == ("dropout", "layer")
    keep = {a["name"]: a for a in told["arguments"]}["keep_prob"]
    assert keep["default"] == 0.5 and keep["required"] is False and keep["doc"].startswith("probability")
    assert "keep_prob" in cli("layers", "dropout").out


def test_an_unknown_op(cli):
    done = cli("layers", "conv9")
    assert done.code == 2 and done.err.startswith("layers: nothing is called 'conv9'; did you mean ")
    assert "'slimtrain layers' lists them" in cli("layers", "zzzzzz").err


def test_the_schema_accepts_a_config_and_refuses_a_slip(cli, small):
    schema = json.loads(cli("schema").out)
    config = yaml.safe_load(small.read_text())
    config["model"]["arg_scope"][0]["weights_regularizer"] = {"l2": 0.0001}
    jsonschema.validate(config, schema)
    config["train"]["stepz"] = 3
    found = list(jsonschema.Draft202012Validator(schema).iter_errors(config))
    assert found and any("stepz" in e.message for e in found)
