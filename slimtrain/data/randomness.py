"""Random numbers as a function of where they are used: nothing is carried from one draw to the next."""

from zlib import crc32

import numpy as np


def bits(seed: int, purpose: str, index: int, part: int = 0) -> np.random.Philox:
    """A stream of random bits of its own for each (seed, purpose, index, part).

    Args:
        seed: the run's seed.
        purpose: what the numbers are for; keeps streams of one index apart.
        index: the epoch or step, below 2**32.
        part: which of the streams of that index, an example's say.
    """
    low = crc32(purpose.encode()) << 32 | int(index) % 2**32
    # The counter's highest word: no stream is long enough to run into the next part's.
    counter = np.array([0, 0, 0, part], np.uint64)
    return np.random.Philox(counter=counter, key=np.array([int(seed) % 2**64, low], np.uint64))
