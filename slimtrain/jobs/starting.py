"""What comes once before a job computes: whether JAX computes right here, and what the job computes with."""

from slimtrain.data.ahead import cores
from slimtrain.jobs.selftest import need_right_numbers
from slimtrain.jobs.talk import Talk
from slimtrain.train.devices import environment


def need_ready(talk: Talk) -> None:
    """Checks JAX, unless it has passed before, and says with -v what the job computes with.

    Raises:
        SlimtrainError: JAX computes something wrong.
    """
    need_right_numbers(talk)
    talk.say(f"device: {device()}", level=1)
    talk.say(f"convolutions: {convolutions()}", level=1)


def device() -> str:
    """The kind of device, with the threads that a CPU computes on."""
    found = environment()
    return f"{found['device']}, {cores()} threads" if found["backend"] == "cpu" else str(found["device"])


def convolutions() -> str:
    """What computes convolutions."""
    return "XLA"
