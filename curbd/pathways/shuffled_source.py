"""The null behind the verdict: a source is shuffled, except for the activity that it shares with other sources.

The null asks whether the source predicts something about the target that no other source predicts. The activity of the
source is split into the part that the other sources predict and a rest. The rest is exchanged between trials of the
same condition (or shifted in time if there are few trials), so that the shuffled source shares with the other sources
exactly what the real source shares with them. Shuffling the whole source would be wrong: a source that is merely
correlated with a true source would then look like a true source. The reasoning is that of permutation tests of a
partial regression (Freedman & Lane, J. Bus. Econ. Stat. 1983). Clear pathways take few shuffles
(`curbd.pathways.monte_carlo`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from curbd.pathways.changed_source import Products, part_of_others, rest_of
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.shuffle_test import shuffle_tests
from curbd.pathways.shuffled_products import Half, halves_of_products
from curbd.progress import progress

Array = np.ndarray
SHUFFLES = 199
"""Largest number of shuffles; the smallest possible p value is 1 / 200."""
LEAST_TRIALS_TO_EXCHANGE = 4
"""Smallest number of trials of a condition between which the rest is exchanged; otherwise it is shifted in time."""
SPLIT_RIDGE_SHARE = 1e-6
"""Ridge penalty of the split, as a share of the mean power of the other sources. The penalty keeps the Gram matrix of
the other sources regular and has no other effect."""


class ShuffleNull(NamedTuple):
    """The null of all pathways.

    Attributes
    ----------
    p_value : (target region, source) probability of a held-out error as small as the error with the real source; NaN if
        all units of the target are silent in the held-out transitions.
    null_rms : (target region, source) rms of the current that a regression assigns to the shuffled source, in the
        (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b.
    held_out_error : (target region,) held-out squared error with the real sources, as a share of the squared current,
        mean over the units of the region that are active in the held-out transitions.
    """

    p_value: Array
    null_rms: Array
    held_out_error: Array


def pathway_null(regression: CurrentRegression, *, seed: int = 0) -> ShuffleNull:
    """Test every source: is the held-out error with the real source smaller than with the shuffled source?

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    seed : seed for the shuffles.

    Returns
    -------
    The p value of every pathway, the rms current of shuffled sources, and the held-out error with the real sources.
    """
    rng = np.random.default_rng(seed)
    solved = regression.solved
    halves = halves_of_products(regression, least_trials=LEAST_TRIALS_TO_EXCHANGE, shift_others=True)
    p_value, null_rms = (np.empty((len(solved), len(regression.sources))) for _ in range(2))
    with progress(len(regression.sources), "shuffled sources") as advance:
        for source in range(len(regression.sources)):
            p_value[:, source], null_rms[:, source] = _null_of_source(regression, halves, source, rng)
            advance(1)
    held_out_error = np.array([solution.held_out_error for solution in solved])
    return ShuffleNull(p_value=p_value, null_rms=null_rms, held_out_error=held_out_error)


def _null_of_source(
    regression: CurrentRegression,
    halves: tuple[Half, Half],
    source: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Compute p value and rms current of a shuffled source, both (target region,).

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    halves : products of the fitted and of the held-out transitions.
    source : index of the source.
    rng : generator of the shuffles.
    """
    columns = regression.sources[source]
    A = part_of_others(regression, columns, SPLIT_RIDGE_SHARE)
    powers: list[list[Array]] = [[] for _ in regression.solved]

    of_part = A.mT @ regression.moments[0].ZZ @ A

    def observe(fitted: Products) -> Callable[[int, torch.Tensor], None]:
        # Products of the shuffled source with itself (draw, column, column).
        crossed = (A.float().mT @ fitted.ZR).double()
        squares = of_part + crossed + crossed.mT + fitted.RR

        def observe_target(target: int, W: torch.Tensor) -> None:
            powers[target].append(((W @ squares) * W).sum(-1).mean(-1).cpu().numpy())

        return observe_target

    tests = shuffle_tests(
        regression,
        halves,
        source,
        activity=rest_of(regression, columns, A),
        A=A,
        most_draws=SHUFFLES,
        rng=rng,
        observe=observe,
    )
    n = max(float(regression.moments[0].n), 1.0)
    rms = [np.sqrt(np.concatenate(power).mean() / n) if power else np.nan for power in powers]
    return np.array([test.p_value() for test in tests]), np.array(rms)
