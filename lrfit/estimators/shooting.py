"""Multi-step refinement of a low-rank network: every regression on the way has the rank of the first."""

from __future__ import annotations

import numpy as np

from curbd.estimators.shooting import refine
from curbd.network.fit import Fit
from curbd.regression.moments import Moments
from curbd.regression.transitions import TrainingData
from curbd.settings.models import LowRankShooting
from lrfit.estimators.reduced_rank import closed_form, low_rank_fit, solve

Array = np.ndarray
VISITED_STATE_WEIGHT = 0.1
"""Weight of a visited state relative to a recorded state: nothing else keeps a network of few latents near the data."""


def shooting(data: TrainingData, options: LowRankShooting, rng: np.random.Generator) -> Fit:
    """Refine the reduced-rank regression until the network reproduces the training trials when it runs freely.

    The rank and the penalty are those of the regression. Of all networks on the way, the network with the smallest
    free-run error on the training trials is returned (see `curbd.estimators.shooting`).

    Parameters
    ----------
    data : training trials.
    options : options of the regression and of the refinement.
    rng : not used; the fit is deterministic.
    """
    start, choice = closed_form(data, options)

    def solver(total: Moments) -> Array:
        return solve(total, choice)

    return low_rank_fit(data, refine(data, start, solver, options.passes, weight=VISITED_STATE_WEIGHT), choice)
