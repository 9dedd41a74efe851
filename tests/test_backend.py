"""What is set before JAX starts."""

import os
from importlib.metadata import version

import pytest

from slimtrain.backend import YNN, prepare

FAULTY = version("jaxlib") == "0.10.2"


@pytest.mark.parametrize("given", ["", "--xla_force_host_platform_device_count=4"])
def test_the_faulty_fusion_is_off_and_the_users_flags_stay(monkeypatch, given):
    monkeypatch.setenv("XLA_FLAGS", given)
    prepare()
    wanted = f"{given} {YNN}=-reduce".strip() if FAULTY else given
    assert os.environ["XLA_FLAGS"] == wanted
    prepare()
    assert os.environ["XLA_FLAGS"] == wanted


def test_what_the_user_says_of_it_stands(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"{YNN}=reduce")
    prepare()
    assert os.environ["XLA_FLAGS"] == f"{YNN}=reduce"


def test_nothing_is_set_where_nothing_is_faulty(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    prepare()
    assert ("XLA_FLAGS" in os.environ) == FAULTY
