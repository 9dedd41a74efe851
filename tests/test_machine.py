"""What is known of the processor."""

import sys

import pytest

from slimtrain.machine import free_memory, instructions, processor, quota


def test_the_processor_has_a_name():
    assert processor() and "\n" not in processor()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lists instructions")
def test_linux_lists_its_instructions():
    assert len(instructions().split()) > 3


def test_what_the_control_group_leaves():
    time, free = quota(), free_memory()
    assert time is None or time > 0
    assert free is None or 0 < free < 2**50
