"""What is known of the processor."""

import sys

import pytest

from slimtrain.machine import instructions, processor


def test_the_processor_has_a_name():
    assert processor() and "\n" not in processor()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lists instructions")
def test_linux_lists_its_instructions():
    assert len(instructions().split()) > 3
