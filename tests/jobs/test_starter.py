"""`init`: a config to begin with."""

import pytest

from slimtrain.jobs.starter import templates


@pytest.mark.parametrize("template", templates())
def test_a_starter_is_written_and_passes_the_check(cli, tmp_path, template):
    out = tmp_path / "net.yaml"
    done = cli("init", out, "--template", template)
    assert (done.code, done.out) == (0, f"wrote {out}; train it with: slimtrain fit {out}\n")
    assert f"#   slimtrain fit {out}\n" in out.read_text()
    assert cli("check", out).out == f"{out}: no problems\n"


def test_nothing_is_written_over(cli, tmp_path):
    out = tmp_path / "net.yaml"
    out.write_text("mine")
    done = cli("init", out)
    assert (done.code, done.err) == (2, f"{out}: is there already; give another name, or remove it\n")
    assert out.read_text() == "mine"


def test_other_ends(cli, tmp_path):
    assert cli("init").out.startswith("# A small convolutional net")
    unknown = cli("init", "--template", "resnet")
    assert unknown.code == 2 and "'resnet' is none of convnet, mlp" in unknown.err
    assert cli("init", tmp_path / "no" / "net.yaml").code == 74
