"""Random numbers named by what they are for, not by when they are drawn."""

import hashlib

import numpy as np

__all__ = ["stream"]


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Random generator of one purpose.

    Parameters
    ----------
    seed : int
        The recipe's seed, ≥ 0.
    *names : str or int
        The purpose, e.g. ``"image", "TS_003", "frame", 7``: the same names give the same numbers in any order of
        work and for any number of workers.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> int(stream(7, "motion", "TS_001").integers(1000)) == int(stream(7, "motion", "TS_001").integers(1000))
    True
    """
    words = tuple(
        int.from_bytes(hashlib.blake2b(f"{type(name).__name__}:{name}".encode(), digest_size=4).digest(), "little")
        for name in names
    )
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=words))
