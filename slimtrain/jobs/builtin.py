"""The catalog of what ships with slimtrain and of what plug-ins add."""

from collections.abc import Sequence
from functools import lru_cache

from slimtrain.config.catalog import Catalog, plugin_modules
from slimtrain.data import sources
from slimtrain.data.preprocess import color, geometry, images
from slimtrain.net import components
from slimtrain.net.layers import (
    conv,
    dense,
    gdn,
    groupwise,
    joins,
    noise,
    norm,
    pointwise,
    pool,
    separable,
    shape,
    transposed,
)
from slimtrain.train import classification, embeddings, losses, optim, regression, schedules, thresholds

MODULES = (
    conv,
    separable,
    transposed,
    pool,
    dense,
    norm,
    groupwise,
    noise,
    pointwise,
    gdn,
    shape,
    joins,
    components,
    losses,
    embeddings,
    classification,
    thresholds,
    regression,
    optim,
    schedules,
    sources,
    images,
    geometry,
    color,
)


@lru_cache(maxsize=8)
def catalog(plugins: Sequence[str] = ()) -> Catalog:
    """Every registered function: slimtrain's own, those of installed entry points, those of the `--plugin` modules."""
    return Catalog.of((*MODULES, *plugin_modules(plugins)))
