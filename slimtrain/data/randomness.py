"""Random numbers as a function of where they are used: nothing is carried from one draw to the next."""

from zlib import crc32

import numpy as np


def bits(seed: int, purpose: str, index: int) -> np.random.Philox:
    """A stream of random bits of its own for each (seed, purpose, index).

    Args:
        seed: the run's seed.
        purpose: what the numbers are for; keeps streams of one index apart.
        index: the epoch or step, below 2**32.
    """
    low = crc32(purpose.encode()) << 32 | int(index) % 2**32
    return np.random.Philox(key=np.array([int(seed) % 2**64, low], np.uint64))
