"""The sections of a config: keys, defaults and meanings come from the records alone."""

import pytest

from slimtrain.config.sections import DATA, INPUT, MODEL, TOP, TRAIN, Train


@pytest.mark.parametrize("section", [TOP, DATA, MODEL, INPUT, TRAIN], ids=lambda s: s.name)
def test_every_key_is_documented(section):
    assert section.kind == "section" and section.summary.endswith(".")
    assert [name for name, parameter in section.parameters.items() if not parameter.doc] == []


def test_keys_are_fields_and_defaults_stand_once():
    assert list(TRAIN.parameters) == list(Train.__dataclass_fields__)
    assert {n: p.default for n, p in TRAIN.parameters.items()} == vars(Train())


def test_only_the_source_must_be_given():
    sections = (TOP, DATA, MODEL, INPUT, TRAIN)
    assert [n for s in sections for n, p in s.parameters.items() if p.required] == ["source"]
