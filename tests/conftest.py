"""Four devices on a CPU, for every test that shards; it has to be said before jax starts."""

import os

from slimtrain.backend import prepare

prepare()
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4".strip()
