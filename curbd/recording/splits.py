"""The split into training trials and held-out test trials."""

from __future__ import annotations

import numpy as np


def split(condition: np.ndarray, test_fraction: float, seed: int) -> np.ndarray:
    """Draw the held-out trials at random, within each condition.

    A condition with at least two trials has at least one training and one test trial. The only trial of a condition is
    a training trial. Where every condition has a single trial, the test trials are drawn from all trials.

    Parameters
    ----------
    condition : (trial,) condition of each trial, as text.
    test_fraction : share of the trials to hold out.
    seed : seed of the random draw.

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
