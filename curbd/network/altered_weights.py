"""Weights that are less exact than those of a fit: rounded to few bits, or with noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

Array = np.ndarray
BITS = (4, 5, 6, 7, 8)
NOISE_SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Standard deviations of the noise on every weight, as shares of the size of the weight."""
SAME_SIZE_SHARE = 0.2
"""A size holds if it changes by no more than this share."""


def rounded(block: Array, bits: int) -> Array:
    """Round a block of weights to 2^bits - 1 equally spaced values, symmetric about 0, from the largest weight down.

    Parameters
    ----------
    block : (target, source) weights of one pathway, which have a scale of their own.
    bits : number of bits, 2 or more.
    """
    largest = np.abs(block).max(initial=0.0)
    if not largest:
        return block
    spacing = largest / (2 ** (bits - 1) - 1)
    return np.round(block / spacing) * spacing


def with_noise(block: Array, share: float, rng: np.random.Generator) -> Array:
    """Add independent Gaussian noise to every weight, with a standard deviation in proportion to its size."""
    return block * (1 + share * rng.standard_normal(block.shape))


def altered(W: Array, blocks: Sequence[tuple[Array, Array]]) -> Iterator[tuple[str, float, Array]]:
    """Yield less exact copies of a matrix of weights, each block of which is altered on its own.

    The noise is the same in every call, so that copies of a network and of its currents agree.

    Parameters
    ----------
    W : (target, source) weights.
    blocks : indices of the targets and of the sources of every block; weights outside all blocks are kept.

    Yields
    ------
    ``bits`` or ``noise``; the number of bits or the share of noise; the altered weights.
    """
    rng = np.random.default_rng(0)
    changes = [("bits", bits) for bits in BITS] + [("noise", share) for share in NOISE_SHARES]
    for kind, size in changes:
        copy = W.copy()
        for target, source in blocks:
            block = W[np.ix_(target, source)]
            copy[np.ix_(target, source)] = rounded(block, int(size)) if kind == "bits" else with_noise(block, size, rng)
        yield kind, size, copy


def fewest_bits(holds: Mapping[float, Array]) -> Array:
    """Return the smallest number of bits from which on everything holds; NaN where it does not hold at the most bits.

    Parameters
    ----------
    holds : number of bits -> whether sign and size hold (bool array).
    """
    answer = np.full(next(iter(holds.values())).shape, np.nan)
    still = np.ones(answer.shape, dtype=bool)
    for bits in sorted(holds, reverse=True):
        still &= holds[bits]
        answer[still] = bits
    return answer


def most_noise(holds: Mapping[float, Array]) -> Array:
    """Return the largest share of noise up to which everything holds; 0 where it does not hold at the least noise.

    Parameters
    ----------
    holds : share of noise -> whether sign and size hold (bool array).
    """
    answer = np.zeros(next(iter(holds.values())).shape)
    still = np.ones(answer.shape, dtype=bool)
    for share in sorted(holds):
        still &= holds[share]
        answer[still] = share
    return answer
