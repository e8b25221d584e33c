"""Which trials are held out."""

from __future__ import annotations

import numpy as np


def split(condition: np.ndarray, test_fraction: float, seed: int) -> np.ndarray:
    """Choose the held-out trials by seed, within each condition.

    A condition with two trials or more has at least one of each kind, a single trial is for training. Where every
    condition has a single trial, the held-out ones are drawn from all of them.

    Parameters
    ----------
    condition : (trial,) text.
    test_fraction : share of the trials to hold out.
    seed : of the draw.

    Returns
    -------
    (trial,) ``train`` or ``test``.
    """
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(condition == value) for value in np.unique(condition)]
    if all(len(group) < 2 for group in groups):
        groups = [np.arange(len(condition))]
    chosen = np.full(len(condition), "train", dtype="<U5")
    for group in groups:
        if len(group) >= 2:
            n_test = min(max(round(test_fraction * len(group)), 1), len(group) - 1)
            chosen[rng.permutation(group)[:n_test]] = "test"
    return chosen
