"""What has to be said before jax starts: four devices on a CPU, for tests that shard, and quick compilation;
and that nothing is kept in the user's cache."""

import os
import signal

from hypothesis import HealthCheck, settings

from slimtrain.backend import prepare

# What a shell's background job, or nohup, would have every process below ignore.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

os.environ.setdefault("SLIMTRAIN_CACHE", "0")  # programs that a test compiles are its own
prepare()
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
DEVICES = "--xla_force_host_platform_device_count=4"
os.environ["XLA_FLAGS"] = f"{QUICK} {os.environ.get('XLA_FLAGS', '')} {DEVICES}"

# How long an example takes says more of the machine than of the code.
settings.register_profile("slimtrain", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slimtrain")

os.environ.setdefault("SLIMTRAIN_SELF_TEST", "0")  # JAX is what the tests hold to its numbers anyway
