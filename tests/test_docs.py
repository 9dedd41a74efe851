"""What README.md and configs/README.md say is so: configs, commands, names, keys, messages, exit codes, the plug-in."""

import re
import sys
from pathlib import Path

import click
import pytest

from slimtrain import errors
from slimtrain.cli import main
from slimtrain.config.catalog import KINDS, LOSS_WORDS, METRIC_WORDS, WORDS, plugin_modules
from slimtrain.config.document import read
from slimtrain.config.sections import DATA, INPUT, MODEL, TOP, TRAIN
from slimtrain.config.typewords import shown
from slimtrain.errors import ConfigError
from slimtrain.jobs.builtin import catalog
from slimtrain.jobs.check import check, explain, explained
from slimtrain.jobs.inspect import inspect
from slimtrain.jobs.tables import inspection

ROOT = Path(__file__).parents[1]
PAGES = {page: (ROOT / page).read_text("utf-8") for page in ("README.md", "configs/README.md")}
LOGITS = "fully_connected: {num_outputs: 10, activation_fn: null}"
MODEL_FOR_PARTS = f"model: {{input: {{shape: [8, 8, 1]}}, layers: [flatten, {{{LOGITS}}}]}}\n"
MODEL_FOR_LAYERS = "model:\n  input: {shape: [32, 32, 3]}\n  layers:\n"


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block in a language."""
    return [(p, b) for p, t in PAGES.items() for b in re.findall(rf"^```{language}\n(.*?)^```$", t, re.M | re.S)]


def whole(text: str) -> str:
    """A block as a config: one that begins `# layers of a model` or `# part of a config` gets what it lacks."""
    if text.startswith("# layers of a model"):
        return MODEL_FOR_LAYERS + "".join(f"    {line}\n" for line in text.splitlines())
    parts = text.startswith("# part of a config")
    return text + MODEL_FOR_PARTS if parts and not re.search(r"^(model|extends):", text, re.M) else text


def file_name(text: str, number: int) -> str:
    """The name that a block's first line gives its file."""
    named = re.match(r"# (\w+\.yaml)", text)
    return named[1] if named else f"block{number}.yaml"


CONFIGS = [(page, file_name(text, n), whole(text)) for n, (page, text) in enumerate(blocks("yaml"))]


def table(page: str, head: str) -> list[list[str]]:
    """The cells of the table whose head begins so, without the head."""
    found = PAGES[page].split(f"\n| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found]


def spans(text: str) -> list[str]:
    """Inline code."""
    return re.findall(r"`([^`]+)`", text)


def default(parameter) -> str:
    """An argument's default as the tables have it."""
    value = parameter.default
    return "required" if parameter.required else shown(list(value) if isinstance(value, tuple) else value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every config and every Python module that the pages show."""
    made = tmp_path_factory.mktemp("docs")
    for _, name, text in CONFIGS:
        (made / name).write_text(text)
    for _, text in blocks("python"):
        (made / re.match(r"# (\w+\.py)", text)[1]).write_text(text)
    return made


@pytest.fixture(scope="module")
def plugins(folder):
    """The plug-in that the pages show, importable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield ("my_layers",)
    sys.modules.pop("my_layers", None)


def test_a_page_shows_each_kind_of_block():
    first = [text.split("\n", 1)[0] for _, text in blocks("yaml")]
    assert len(first) > 8 and sum(line.startswith("# layers of a model") for line in first) >= 2


@pytest.mark.parametrize("name", [name for _, name, _ in CONFIGS])
def test_config_reads_and_has_no_problem(folder, plugins, name):
    read(folder / name, (), catalog(plugins))
    assert [str(p) for p in check(folder / name, (), plugins, fast=False)] == []


def test_extends_shown(folder):
    name = next(name for _, name, text in CONFIGS if "\nextends:" in text)
    document = read(folder / name, (), catalog())
    assert (document.optimizer.name, document.data.source, document.data.batch_size) == ("adam", "digits", 32)


def test_overrides_shown(folder):
    rows = table("configs/README.md", "override")
    for override in (spans(cells[0])[0] for cells in rows):
        read(folder / "net.yaml", [override], catalog())


def test_readme_overrides(folder):
    shown = re.search(r"`slimtrain fit net\.yaml ([^`]+)`", PAGES["README.md"])[1].split()
    read(folder / "net.yaml", shown, catalog())


def test_readme_config_is_the_recipe(folder):
    block = next(name for page, name, _ in CONFIGS if page == "README.md")
    shown, recipe = (read(path, (), catalog()) for path in (folder / block, ROOT / "configs/digits.yaml"))
    assert [p.op.name for p in shown.plan.layers()] == [p.op.name for p in recipe.plan.layers()]
    assert shown.train == recipe.train


def commands() -> list[tuple[str, str]]:
    """(page, line) of every `slimtrain ...` in code, fenced or inline."""
    found = []
    for page, text in PAGES.items():
        inline = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        lines = [
            line for _, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S) for line in block.split("\n")
        ]
        for code in (*lines, *spans(inline)):
            found += [(page, m[1]) for m in re.finditer(r"(?:^|[\s/(&])slimtrain ((?:-\S+ )*[a-z][^&>]*)", code)]
    return found


@pytest.mark.parametrize("line", sorted({line for _, line in commands()}))
def test_command_exists(line):
    words = line.split()
    name = next(word for word in words if not word.startswith("-"))
    assert name in main.commands, line
    known = {o for p in main.commands[name].params if isinstance(p, click.Option) for o in p.opts}
    assert {re.match(r"--[\w-]+|-\w", w)[0] for w in re.findall(r"(?<![\w-])--?[a-z][\w-]*", line)} <= known, line


def test_readme_names_every_command():
    assert set(main.commands) == {c.split()[0] for page, c in commands() if page == "README.md"}


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", "".join(PAGES.values())))))
def test_option_exists(option):
    assert any(option in p.opts for command in main.commands.values() for p in command.params), option


def test_names_in_tables_exist():
    everything = catalog()
    rows = [row for text in PAGES.values() for row in re.findall(r"^\| (\w+) \| (`.*) \|$", text, re.M)]
    rows = [(kind, names) for kind, names in rows if kind in (*KINDS, "normalizer")]
    assert {kind for kind, _ in rows} > {"activation", "loss", "metric", "optimizer", "schedule"}
    for kind, names in rows:
        told = {n for n in spans(names.split(";", 1)[0]) if n != "null"}
        assert told and told <= set(everything.kind(kind)), kind
        assert kind not in ("loss", "metric") or told == set(everything.kind(kind)), kind


def test_ops_and_sources_named_exist():
    everything = catalog()
    ops = {**everything.kind("layer"), **everything.kind("join")}
    rows = {cells[0]: cells[1] for cells in table("configs/README.md", "item")}
    layers = [name for cells in table("configs/README.md", "ops") for name in spans(cells[1])]
    joins = [name for key in rows for name in spans(key) if name in everything.kind("join")]
    assert sorted(layers) == sorted({d.name for d in everything.kind("layer").values()})
    assert set(joins) <= set(ops)
    assert set(joins) == set(everything.kind("join"))
    told = {}
    for cells in table("configs/README.md", "source"):
        told |= {name: spans(cells[1]) for name in spans(cells[0])}
    assert told == {name: list(d.parameters) for name, d in everything.kind("source").items() if name in told}
    functions = PAGES["configs/README.md"].split("Functions for `preprocess` and `augment`:")[1].split("\n\n")[0]
    assert set(spans(functions)) <= set(everything.kind("preprocess"))


def test_components_with_a_main_argument():
    sentence = PAGES["configs/README.md"].split("one main argument, as ")[1].split(" have.")[0]
    mains = {n for kind in KINDS for n, d in catalog().kind(kind).items() if d.description.main}
    assert set(spans(sentence)) <= mains
    assert set(catalog().kind("optimizer")) <= mains


def test_section_keys_and_defaults():
    sections = {"": TOP, "data.": DATA, "model.": MODEL, "model.input.": INPUT, "train.": TRAIN}
    known = {f"{prefix}{n}": p for prefix, section in sections.items() for n, p in section.parameters.items()}
    expected = {n: default(p) for n, p in known.items()}
    told = {spans(cells[0])[0]: cells[1] for cells in table("configs/README.md", "key")}
    assert told == expected | {"model.layers": "[]"}


def test_words():
    told = {spans(cells[0])[0]: cells[1] for cells in table("configs/README.md", "word")}
    assert told == {n: default(p) for n, p in WORDS.items()}
    assert list(LOSS_WORDS) == ["weight", "class_weights"]
    assert list(METRIC_WORDS) == ["weights"]


def test_exit_codes():
    kinds = {vars(c)["exit_code"] for c in vars(errors).values() if isinstance(c, type) and "exit_code" in vars(c)}
    expected = {0, *kinds, *(errors.StoppedError(number).exit_code for number in (1, 2, 15))}
    sentence = re.search(r"^Exit codes: (.*?)\n\n", PAGES["README.md"], re.M | re.S)[1]
    assert {int(n) for n in re.findall(r"\b\d+\b", sentence)} == expected
    rows = table("configs/README.md", "exit code")
    assert {int(n) for cells in rows for n in cells[0].split(", ")} == expected


def shown_after(words: str) -> list[str]:
    """The lines of README.md's first fenced block after some words."""
    return PAGES["README.md"].split(words)[1].split("```\n")[1].splitlines()


MISTAKES = """\
model:
  arg_scope:
    - ops: [conv2d]
      keep_prob: 0.5
      kernel_size: 3
  input: {shape: [8, 8, 1]}
  layers:
    - conv2d: {num_outputs: 32, strde: 2, scope: conv1}
"""


def test_what_a_mistake_looks_like(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(MISTAKES)
    shown = shown_after("What mistakes look like")
    with pytest.raises(ConfigError) as caught:
        read(Path("net.yaml"), (), catalog())
    told = [str(problem) for problem in caught.value.problems]
    assert len(told) == len(shown) == 2
    for line, expected in zip(told, shown, strict=True):
        start, dots, _ = expected.partition("...")
        assert line.startswith(start) if dots else line == expected


def test_what_inspect_and_explain_print():
    document = read(ROOT / "configs/digits.yaml", (), catalog())
    assert inspection(inspect(document), False).splitlines()[:11] == shown_after("What it builds")
    assert explained(explain(document, "conv1/BatchNorm.decay")).splitlines() == shown_after("Where a value came from")


def test_plugin_works(folder, plugins):
    everything = catalog(plugins)
    assert everything.kind("layer")["channel_scale"].parameters["weights_initializer"].doc == "start of the factors."
    found = inspect(read(folder / "scaled.yaml", (), everything))
    assert {v["name"]: v["shape"] for v in found.variables()}["scale1/weights"] == [16]
    assert plugin_modules(plugins)[-1].__name__ == "my_layers"


def test_json_keys(folder, plugins):
    found = inspect(read(folder / "scaled.yaml", (), catalog(plugins)))
    rows = {spans(cells[0])[0].split()[1]: spans(cells[1]) for cells in table("configs/README.md", "command")}
    assert rows["inspect"] == [*found.record(), "stats"]
