"""Test of a source: does it predict more of held-out currents than the same source after its activity was shuffled?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from curbd.pathways.changed_source import ChangedSource, Products
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.monte_carlo import LEAST_DRAWS, MonteCarlo, decide
from curbd.pathways.shuffled_products import Half
from curbd.pathways.solved_regression import mean_of_active
from curbd.regression.moments import VALUES_OF_BLOCK

Array = np.ndarray
Observer = Callable[[Products], Callable[[int, torch.Tensor], None]]
"""Function that is called with the products of a batch of shuffles in fitted transitions, and returns a function that
is called with the index of a target region and the weights (draw, unit, column) of the shuffled source."""


def shuffle_tests(
    regression: CurrentRegression,
    halves: tuple[Half, Half],
    source: int,
    *,
    activity: torch.Tensor,
    A: torch.Tensor | None = None,
    most_draws: int,
    rng: np.random.Generator,
    observe: Observer = lambda fitted: lambda target, W: None,
) -> list[MonteCarlo]:
    """Compare the held-out gain of a source with its gains after shuffles, for every target region.

    The held-out gain is the fall of the squared held-out error by the source, as a share of the squared current, mean
    over the active units of the target. Shuffles are drawn until every target is decided.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    halves : products of the fitted and of the held-out transitions, which say how activity is shuffled.
    source : index of the source.
    activity : (trial, time, column) the activity that is shuffled, in single precision and 0 where missing: the
        activity of the source, or what the other sources do not predict of it.
    A : (regressor, column) weights by which the other sources predict the source, if only the rest is shuffled.
    most_draws : largest number of shuffles.
    rng : random generator of the shuffles.
    observe : called with every batch of shuffles; the returned function is called for every target that takes the
        batch.

    Returns
    -------
    The test of every target region.
    """
    columns = regression.sources[source]
    changed = [ChangedSource(regression, solution, columns, A) for solution in regression.solved]
    tests = [MonteCarlo(float(gain), most_draws) for gain in regression.gains[:, source]]
    shuffles = [half.shuffles(activity, rng) for half in halves]
    at_once = max(LEAST_DRAWS, VALUES_OF_BLOCK // (halves[0].n_rows * len(columns)))

    def batch(n_draws: int, undecided: list[int]) -> Array:
        units = np.isin(regression.region_of_unit, undecided)
        fitted, held_out = (further(n_draws, units) for further in shuffles)
        observe_target = observe(fitted)
        gains = np.empty((n_draws, len(undecided)))
        for column, target in enumerate(undecided):
            gain, W = changed[target].gain(fitted, held_out)
            gains[:, column] = mean_of_active(gain)
            observe_target(target, W)
        return gains

    def draw(n_draws: int, undecided: list[int]) -> Array:
        starts = range(0, n_draws, at_once)
        return np.concatenate([batch(min(at_once, n_draws - start), undecided) for start in starts])

    decide(tests, draw)
    return tests
