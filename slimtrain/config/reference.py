"""The reference of the registered functions, for people and for programs: signatures and docstrings, told."""

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from slimtrain.config.arguments import extra_words
from slimtrain.config.catalog import KINDS, WORDS, Catalog, Definition, Parameter
from slimtrain.config.typewords import shown, type_words
from slimtrain.config.valueschema import written

WIDTH = 110


def reference(definition: Definition) -> str:
    """The page of one function: what it does, its arguments, its variables, results, errors and source.

    Args:
        definition: a registered function.

    Returns:
        Lines of at most about 110 characters, without a last line break.
    """
    rows = [_row(p) for p in parameters_of(definition).values()]
    heads = ("argument", "type", "default", "meaning")
    parts = [_title(definition), definition.summary, "\n".join(_table([heads, *rows])) if rows else ""]
    return "\n\n".join(p for p in (*parts, _common(definition), _rest(definition.doc)) if p)


def reference_json(definition: Definition) -> dict[str, Any]:
    """The same as plain JSON values: `name`, `kind`, `summary`, `arguments`, `doc`.

    Args:
        definition: a registered function.
    """
    arguments = [_argument(p) for p in parameters_of(definition).values()]
    doc = _rest(definition.doc)
    return {
        "name": definition.name,
        "kind": definition.kind,
        "summary": definition.summary,
        "arguments": arguments,
        "doc": doc,
    }


def listing(catalog: Catalog) -> str:
    """One line a function, grouped by kind.

    Args:
        catalog: the registered functions.
    """
    return "\n\n".join(_group(kind, catalog.kind(kind)) for kind in KINDS if catalog.kind(kind))


def parameters_of(definition: Definition) -> Mapping[str, Parameter]:
    """A function's own arguments, and for a loss or metric the words that stand beside them."""
    return {**definition.parameters, **extra_words(definition.kind, definition)}


def _group(kind: str, definitions: Mapping[str, Definition]) -> str:
    own = {d.name: d.summary for d in definitions.values()}
    width = max(map(len, own))
    return "\n".join([kind, *(f"  {name:{width}}  {summary}" for name, summary in own.items())])


def _title(definition: Definition) -> str:
    alias = definition.description.alias
    return f"{definition.name} ({definition.kind}{f', also {alias}' if alias else ''})"


def _common(definition: Definition) -> str:
    told = {"layer": "Every layer", "join": "Every join"}.get(definition.kind)
    return textwrap.fill(f"{told} takes besides: {', '.join(WORDS)}.", WIDTH) if told else ""


def _rest(doc: str) -> str:
    """A docstring's paragraphs without its summary and its `Args:`."""
    below = doc.partition("\n")[2]
    without = re.sub(r"^Args:\n(?:[ ]+.*\n?|\n)+", "", below, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", without).strip()


def _argument(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": type_words(parameter.annotation),
        "default": None if parameter.required else written(parameter.default),
        "required": parameter.required,
        "doc": parameter.doc,
    }


def _row(parameter: Parameter) -> tuple[str, ...]:
    default = "required" if parameter.required else shown(written(parameter.default))
    return parameter.name, type_words(parameter.annotation), default, parameter.doc


def _table(rows: Iterable[tuple[str, ...]], limits: tuple[int, ...] = (36, 26, 20)) -> list[str]:
    """Rows as lines in columns, each as wide as it needs up to its limit; the last one fills the line."""
    cells = list(rows)
    widths = [min(limit, max(len(r[i]) for r in cells)) for i, limit in enumerate(limits)]
    widths.append(WIDTH - sum(widths) - 2 * len(widths))
    return [line for row in cells for line in _lines(row, widths)]


def _lines(row: tuple[str, ...], widths: list[int]) -> list[str]:
    wrapped = [textwrap.wrap(c, w, break_on_hyphens=False) for c, w in zip(row, widths, strict=True)]
    height = max(map(len, wrapped))
    padded = [lines + [""] * (height - len(lines)) for lines in wrapped]
    return [
        "  ".join(f"{c:{w}}" for c, w in zip(cells, widths, strict=True)).rstrip()
        for cells in zip(*padded, strict=True)
    ]
