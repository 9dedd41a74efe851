"""The benchmarks' harness, without a clock and without peers: pairing, tables, sections; and the nets that it times."""

import json
import subprocess
import sys
from math import prod
from pathlib import Path

import pytest
from benchmarks import fitting, tables, train_steps
from benchmarks.environments import interpreter
from benchmarks.peers.cases import CASES, RATE
from benchmarks.processes import FailedError, answer_in, run
from benchmarks.rates import best
from benchmarks.run import command_line, main

from slimtrain import load
from slimtrain.jobs.build import ABSTRACT_BATCH, make_task, network

ROOT = Path(__file__).parents[1]
MACHINE = {
    "date": "2026-01-02 03:04",
    "cpu": "a CPU",
    "cores": 2,
    "memory_gb": 8,
    "system": "Linux 6",
    "python": "3.11.7",
    "revision": "abc",
    "load": 0.1,
}
TIMES = {"slimtrain": [40.0, 30.0, 50.0], "torch": [20.0, 60.0, 50.0], "torch+compile": [25.0, 24.0, 100.0]}


def found(**more):
    """A net as a run of the benchmarks gives it."""
    memory = {name: [100.0, 300.0, 200.0] for name in TIMES}
    net = {"title": "LeNet", "batch": 128, "parameters": 7, "flops": 10_000_000, "times": TIMES, "memory": memory}
    rest = {"minima": TIMES, "trial": {"torch": 50.0, "torch+compile": "failed: no g++"}, "left_out": {}}
    products = [{"jax": {"gflops": 300.0, "versions": {"jax": "0.10.2"}}}]
    return {**net, **rest, "versions": {"torch": {"torch": "2.13.0"}}, "products": products, "disturbed": 0, **more}


def overridden(case):
    """The check's document and network: without dropout where the case says how."""
    document = load(ROOT / case.config, [*case.overrides, *case.undropped])
    return document, network(document)


def test_each_contender_is_first_and_last_in_turn():
    names = ["a", "b", "c", "d"]
    orders = [tables.rotated(names, number) for number in range(8)]
    assert all(sorted(order) == names for order in orders)
    assert {order[0] for order in orders} == {order[-1] for order in orders} == set(names)


def test_a_ratio_is_of_times_of_one_round():
    assert tables.paired([40.0, 30.0], [20.0, 60.0]) == [2.0, 0.5]
    with pytest.raises(ValueError, match="longer"):
        tables.paired([1.0], [1.0, 2.0])


def test_the_best_peer_has_the_smallest_median_and_is_not_slimtrain():
    assert tables.ratio({"slimtrain": [1.0, 1.0, 1.0], **{n: TIMES[n] for n in ("torch", "torch+compile")}}) == (
        "torch+compile",
        [1 / 25, 1 / 24, 1 / 100],
    )


def test_a_peer_is_its_best_variant():
    assert tables.by_peer(TIMES) == {"slimtrain": "slimtrain", "torch": "torch+compile"}


def test_a_spread_is_median_smallest_largest():
    assert tables.spread([3.0, 1.0, 2.0]) == "2.0 (1.0 to 3.0)"
    assert [tables.milliseconds([v]) for v in (1.0, 10.0, 100.0)] == [
        "1.00 (1.00 to 1.00)",
        "10.0 (10.0 to 10.0)",
        "100 (100 to 100)",
    ]


def test_a_step_counts_three_forward_passes():
    assert tables.gflops(10_000_000, 100, [30.0, 10.0, 20.0]) == 150.0


def test_a_row_shows_times_ratio_and_share_of_the_product():
    assert tables.step_row(found(), 384.0) == [
        "LeNet, batch 128",
        "40.0 (30.0 to 50.0)",
        "25.0 (24.0 to 100.0)",
        "-",
        "-",
        "-",
        "1.25 (0.50 to 1.60) to torch+compile",
        "96",
        "25%",
    ]


def test_a_net_without_peers_has_times_and_no_ratio():
    alone = found(times={"slimtrain": [40.0]})
    assert tables.step_row(alone, 384.0)[1:] == ["40.0 (40.0 to 40.0)", *["-"] * 4, "-", "96", "25%"]


def test_a_net_that_slimtrain_failed_has_no_ratio():
    assert tables.step_row(found(times={"torch": [20.0]}), 384.0)[1:] == ["-", "20.0 (20.0 to 20.0)", *["-"] * 6]


def test_a_table_is_markdown():
    assert tables.table(["", "ms"], [["a", "1"], ["b", "2"]]) == "|  | ms |\n| --- | ---: |\n| a | 1 |\n| b | 2 |"


def test_the_section_says_where_what_and_what_went_wrong():
    text = train_steps.section(MACHINE, [found(left_out={"keras": "exit code 1: no jax"}, disturbed=2)])
    assert "2026-01-02 03:04, 2 cores of a CPU, 8 GB, Linux 6, Python 3.11.7, slimtrain abc, load 0.1 at" in text
    assert "of 3 rounds" in text and "300 GFLOP/s in jax 0.10.2" in text
    assert "three forward passes' operations a step" in text
    assert "| LeNet | 200 | 200 | - | - | - |" in text
    assert "| LeNet | 50.0 | failed: no g++ | - | - |" in text
    assert "slimtrain: jax 0.10.2; torch: torch 2.13.0." in text
    assert "LeNet, keras left out: exit code 1: no jax." in text and "2 runs had others beside them" in text


def test_the_best_product_of_all_rounds_counts():
    taken = [
        {"jax": {"gflops": jax, "versions": {"jax": "1"}}, "torch": {"gflops": torch, "versions": {"torch": "2"}}}
        for jax, torch in ((300.0, 200.0), (100.0, 400.0))
    ]
    assert best(taken) == ("torch 2", 400.0)


def test_a_section_takes_its_own_place():
    text = tables.replaced("# Head\n\nWords.", "One", "1")
    text = tables.replaced(text, "Two", "2")
    assert text == "# Head\n\nWords.\n\n## One\n\n1\n\n## Two\n\n2\n"
    assert tables.replaced(text, "One", "new") == text.replace("1", "new")


def test_sections_of_real_data_and_of_the_start():
    real = [{"title": "LeNet", "data": "MNIST", "steps": 300, "real": [51.0, 52.0], "fixed": [50.0, 50.0]}]
    assert "| LeNet | MNIST | 51.5 (51.0 to 52.0) | 50.0 (50.0 to 50.0) | 1.030 (1.020 to 1.040) |" in (
        fitting.real_data_section(MACHINE, real)
    )
    started = fitting.start_up_section(MACHINE, {"click": [50.0], "help": [100.0], "cold": [900.0], "warm": [300.0]})
    assert "| warm | 300 (300 to 300) |" in started
    assert "`--help` over `import click`: 2.00 (2.00 to 2.00); cold over warm: 3.00 (3.00 to 3.00)" in started


def test_a_step_of_a_run_is_the_median_of_what_its_lines_tell(tmp_path):
    lines = [{"step": 1}, *({"step": n, "examples_per_second": 64 / n} for n in (2, 3, 9)), {"eval/loss": 1.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert fitting.fit_step(tmp_path, 64) == 3000.0


@pytest.mark.parametrize(
    ("losses", "parameters", "told"),
    [([2.0, 1.5], 669_706, ""), ([2.0, 1.4], 669_706, "not the same net"), ([2.0, 1.5], 7, "7 parameters")],
)
def test_a_peer_with_another_net_is_refused(losses, parameters, told):
    ours, theirs = {"losses": [2.0, 1.5], "parameters": 669_706}, {"losses": losses, "parameters": parameters}
    if not told:
        return train_steps.need_same("mlp", "torch", CASES["mlp"], ours, theirs)
    with pytest.raises(SystemExit, match=told):
        train_steps.need_same("mlp", "torch", CASES["mlp"], ours, theirs)


def test_every_peer_has_its_script_and_its_command():
    commands = train_steps.contenders({peer: Path("python") for peer in tables.PEERS})
    assert {name.partition("+")[0] for name in commands} == {"slimtrain", *tables.PEERS}
    words = commands["torch+compile+channels_last"]("lenet", 5)
    assert words[2:] == ["lenet", "--steps", "5", "--variant", "compile", "--variant", "channels_last"]
    assert all(Path(command("lenet", 5)[1]).exists() for name, command in commands.items() if name != "slimtrain")


def test_a_process_is_measured(monkeypatch):
    monkeypatch.setattr("benchmarks.processes.PATIENCE", 0.0)
    ran = run([sys.executable, "-c", "print('talk'); print('{\"a\":\\n 1}')"])
    assert ran.answer == {"a": 1} and ran.peak_mb > 1
    with pytest.raises(FailedError, match="exit code 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_answer_is_the_last_thing_a_process_says():
    assert answer_in('warning\n{\n "a": {\n  "b": 2\n }\n}\n') == {"a": {"b": 2}}


def test_an_environment_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no environment there"):
        interpreter("torch", {"torch": tmp_path}, tmp_path, sys.executable)


def test_the_results_and_the_raw_numbers_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "start_up", lambda rounds: {n: [1.0] * rounds for n in "abcd"})
    out, raw = tmp_path / "RESULTS.md", tmp_path / "raw.json"
    main(["--startup", "--rounds", "2", "--out", str(out), "--json", str(raw)])
    assert out.read_text().startswith("# Benchmarks\n") and "## Start-up" in out.read_text()
    assert json.loads(raw.read_text())["Start-up"]["found"]["a"] == [1.0, 1.0]


def test_the_command_line_says_what_is_wrong(capsys):
    with pytest.raises(SystemExit):
        command_line().parse_args(["--env", "jax=/x"])
    assert "peers are torch, tf-slim, keras, flax" in capsys.readouterr().err


def test_the_script_starts_from_anywhere(tmp_path):
    script = ROOT / "tests" / "benchmarks" / "run.py"
    done = subprocess.run([sys.executable, str(script), "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "RESULTS.md" in done.stdout, done.stderr


@pytest.mark.parametrize("net", CASES)
def test_a_case_is_the_config_that_it_says(net):
    case = CASES[net]
    document, built = overridden(case)
    task = make_task(document, built)
    assert built.shape == case.shape and built.declaration.output_shape == (ABSTRACT_BATCH, case.classes)
    assert sum(prod(spec.shape) for spec in task.specs.values() if spec.trainable) == case.parameters
    assert document.data.batch_size == case.batch and document.train.precision == "float32"
    assert float(task.learning_rate(0)) == pytest.approx(RATE)
    kept = [c.value("keep_prob") for c in (layer.op for layer in document.plan.layers()) if c.name == "dropout"]
    assert kept == [1.0] * len(kept) and bool(kept) == bool(case.undropped)
