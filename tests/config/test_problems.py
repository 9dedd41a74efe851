"""Mistakes without end: the first are told, and that there are more."""

import pytest

from slimtrain.config.document import read
from slimtrain.config.problems import MAX_PROBLEMS, Enough, Problems
from slimtrain.errors import ConfigError, Problem
from slimtrain.jobs.builtin import catalog


def test_a_full_list_ends_the_search():
    problems = Problems()
    problems += [Problem("", str(n)) for n in range(MAX_PROBLEMS)]
    with pytest.raises(Enough):
        problems.append(Problem("", "one more"))
    with pytest.raises(Enough):
        problems += [Problem("", "one more")]
    assert len(problems) == MAX_PROBLEMS


def test_the_first_problems_of_a_config_are_told_and_that_there_are_more(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("".join(f"trainn{n:06d}: $paramm{n}\n" for n in range(9000)) + "params: {param: 1}\n")
    with pytest.raises(ConfigError) as caught:
        read(path, (), catalog())
    *first, last = map(str, caught.value.problems)
    assert len(first) <= MAX_PROBLEMS and first[0].startswith(f"{path}:1:")
    assert last == f"{path}: more than {MAX_PROBLEMS} problems; these are the first"


@pytest.mark.parametrize("width, depth", [(2, 20), (9, 9)])
def test_scopes_and_blocks_that_double_are_refused_in_no_time(tmp_path, width, depth):
    path = tmp_path / "net.yaml"
    scopes = [f"  s{i}: [{', '.join([f'{{use: s{i - 1}}}'] * width)}]\n" for i in range(1, depth)]
    blocks = [f"  b{i}: {{layers: [{', '.join([f'{{block: b{i - 1}}}'] * width)}]}}\n" for i in range(1, depth)]
    last = f"model: {{arg_scope: s{depth - 1}, layers: [flatten]}}"
    texts = [
        f"scopes:\n  s0: [{{ops: conv2d, padding: SAME}}]\n{''.join(scopes)}{last}",
        f"blocks:\n  b0: {{layers: [flatten]}}\n{''.join(blocks)}model: {{layers: [{{block: b{depth - 1}}}]}}",
    ]
    for text in texts:
        path.write_text(text)
        with pytest.raises(ConfigError, match="repeat less"):
            read(path, (), catalog())
