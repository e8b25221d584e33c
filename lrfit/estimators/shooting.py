"""Multi-step refinement of a low-rank network; the rank stays that of the first regression."""

from __future__ import annotations

import numpy as np

from curbd.estimators.shooting import refine
from curbd.network.fit import Fit
from curbd.regression.moments import Moments
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import LowRankShooting
from lrfit.estimators.reduced_rank import closed_form, low_rank_fit, solve

Array = np.ndarray
VISITED_STATE_WEIGHT = 0.1
"""Weight of a state that the network visited in a simulation, relative to a recorded state. The weight is small because
only the recorded states keep a network of few latents near the data."""


def shooting(data: TrainingData, options: LowRankShooting, rng: np.random.Generator) -> Fit:
    """Refine a reduced-rank regression until the network reproduces the training trials when simulated freely.

    Rank and penalty are those of the first regression. Of all networks in the course of the refinement, the network
    with the smallest free-run error on the training trials is returned (see `curbd.estimators.shooting`).

    Parameters
    ----------
    data : training trials.
    options : options of the regression and of the refinement.
    rng : not used; the fit is deterministic.

    Returns
    -------
    The network, its penalty, and its factors in the canonical gauge (see `lrfit.network.canonical`).
    """
    start, choice = closed_form(data, options)

    def solver(total: Moments) -> Array:
        return solve(total, choice)

    return low_rank_fit(data, refine(data, start, solver, options.passes, weight=VISITED_STATE_WEIGHT), choice)
