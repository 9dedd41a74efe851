"""Dropout that keeps next to nothing."""

from slimtrain.config.document import Document
from slimtrain.errors import Problem
from slimtrain.jobs.lints.settings import by_setting, taken, warning

SCARCE = 0.05
"""A `keep_prob` below this is taken for the share to drop."""


def heavy_dropout(document: Document) -> list[Problem]:
    """A `keep_prob` that looks like the share to drop."""
    found = []
    for group in by_setting(t for t in taken(document, "keep_prob") if t.argument.value < SCARCE):
        kept = group[0].argument.value
        what = f"keep_prob {kept:g} drops {1 - kept:.1%} of the values and multiplies the others by {1 / kept:,.0f}"
        found.append(warning(group, what, f"keep_prob is the share that stays: {1 - kept:g} drops {kept:.1%}"))
    return found
