"""Every soak that the command line offers is there."""

from importlib import import_module

import pytest
from soak.run import TITLES


@pytest.mark.parametrize("name", TITLES)
def test_a_soak_by_each_name(name):
    assert callable(import_module(f"soak.{name}").soak)
