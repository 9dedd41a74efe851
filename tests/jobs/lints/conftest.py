"""Configs for warnings: one text with the sections on known lines, `net.yaml:8` and on for the layers."""

import pytest
from nets import whole

TEXT = """\
data: {data}
losses: {losses}
optimizer: {optimizer}
train: {train}
model:
  arg_scope: {scope}
  layers:
"""
SECTIONS = {
    "data": "{source: digits, batch_size: 16}",
    "losses": "[sparse_softmax_cross_entropy]",
    "optimizer": "{momentum: {learning_rate: 0.1}}",
    "train": "{steps: 100}",
    "scope": "[]",
}
LOGITS = "fully_connected: {num_outputs: 10, activation_fn: null, scope: logits}"


@pytest.fixture
def build():
    """A network of these layers and a dense layer of logits, with other sections than `SECTIONS` where given."""

    def build(*layers, logits=LOGITS, **sections):
        items = [*layers, "flatten", logits]
        return whole(TEXT.format(**SECTIONS | sections) + "".join(f"  - {item}\n" for item in items))

    return build


@pytest.fixture
def told():
    """Warnings as users see them, less the word at their end."""
    return lambda problems: [str(p).removesuffix("   [warning]") for p in problems]
