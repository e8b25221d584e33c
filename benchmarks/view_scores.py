"""Scores of a fit to a wholly recorded network: currents between regions, and the prediction of held-out trials."""

from __future__ import annotations

import numpy as np

from curbd.network.residual import one_step_residual
from curbd.network.truth import correlation
from curbd.network.view import View
from curbd.teachers import Teacher, true_current

Array = np.ndarray


def currents_between_regions(seen: View, teacher: Teacher) -> tuple[Array, Array]:
    """Compare the currents between regions with the true ones, in training trials.

    Parameters
    ----------
    seen : the recording as the fit sees it.
    teacher : the true network of the same units.

    Returns
    -------
    r : (pathway,) correlations over trials, time and units.
    r2 : (pathway,) 1 - squared error / squared true current, not about the mean.
    """
    sources = {source.name: source for source in seen.sources}
    pairs = [
        (
            seen.current(sources[source], seen.region == target)[seen.train].ravel(),
            true_current(teacher, target, source)[seen.train].ravel(),
        )
        for target in seen.regions
        for source in seen.regions
        if source != target
    ]
    r = [correlation(estimated, true) for estimated, true in pairs]
    r2 = [1 - ((estimated - true) ** 2).sum() / (true**2).sum() for estimated, true in pairs]
    return np.array(r), np.array(r2)


def held_out_r2(seen: View) -> float:
    """Return the share of the variance of the total current in test trials that the network predicts."""
    y, error = one_step_residual(seen.network, seen.r[~seen.train], seen.u[~seen.train])
    return 1 - float((error**2).sum() / ((y - y.mean((0, 1))) ** 2).sum())
