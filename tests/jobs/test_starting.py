"""What a job says with -v of what it computes with."""

from slimtrain.jobs.starting import need_ready
from slimtrain.jobs.talk import Talk


def test_with_v_it_says_what_computes(capsys):
    need_ready(Talk(0))
    assert capsys.readouterr().err == ""
    need_ready(Talk(1))
    device, convolutions = capsys.readouterr().err.splitlines()
    assert device.startswith("device: cpu, ") and device.endswith(" threads")
    assert convolutions.startswith("convolutions: ")
