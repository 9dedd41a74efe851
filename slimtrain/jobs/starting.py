"""What comes once before a job computes: whether JAX computes right here, and what the job computes with."""

from slimtrain import native
from slimtrain.backend import compute_in_turn
from slimtrain.jobs.selftest import need_right_numbers
from slimtrain.jobs.talk import Talk
from slimtrain.machine import cores
from slimtrain.train.devices import environment


def need_ready(talk: Talk) -> None:
    """Checks JAX, unless it has passed before, and says with -v what the job computes with.

    Raises:
        SlimtrainError: JAX computes something wrong.
    """
    compute_in_turn()
    need_right_numbers(talk)
    talk.say(f"device: {device()}", level=1)
    talk.say(convolutions(talk), level=1)


def device() -> str:
    """The kind of device, with the threads that a CPU computes on."""
    found = environment()
    return f"{found['device']}, {cores()} threads" if found["backend"] == "cpu" else str(found["device"])


def convolutions(talk: Talk) -> str:
    """What computes convolutions; on a CPU the native part, which is built now if it was not."""
    if environment()["backend"] != "cpu":
        return "convolutions: XLA"
    return native.state(lambda: talk.say("building the native part for this machine, once")).told
