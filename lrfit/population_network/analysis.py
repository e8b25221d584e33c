"""From a recording to currents, intervals and verdicts, in the order in which each step needs the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lrfit.population_network.currents import Currents, currents, deviation
from lrfit.population_network.dimensions import choose_dimensions, choose_drives, split
from lrfit.population_network.evidence import posterior_covariance
from lrfit.population_network.fit import Fit, converge, restart
from lrfit.population_network.recording import Recording
from lrfit.population_network.verdict import Verdict, verdict

Array = np.ndarray


class Analysis(NamedTuple):
    """Everything that one recording says.

    Attributes
    ----------
    fit : of all trials.
    dimensions : (region,) latents.
    co_smoothing : (candidate, region) mean held-out log likelihood a trial, empty where dimensions were given.
    drive_gains : (drive,) held-out nats of each hidden drive that was tried; the fit has those that it kept.
    currents : of all trials, by source.
    deviation : (region, trial, time, unit) posterior standard deviation of the regions' currents.
    verdict : on every pathway between regions.
    """

    fit: Fit
    dimensions: Sequence[int]
    co_smoothing: Array
    drive_gains: Array
    currents: Currents
    deviation: Array
    verdict: Verdict


def analyse(
    data: Recording,
    dimensions: Sequence[int] | None = None,
    tau_s: float | None = 0.1,
    gaussian: bool = False,
    most_drives: int = 1,
) -> Analysis:
    """Fit, currents, intervals and verdicts of a recording.

    Parameters
    ----------
    dimensions : latents of every region; chosen on held-out trials where None.
    tau_s : time constant of the units; None is a network whose own past counts as a current.
    gaussian : Gaussian units instead of counts.
    most_drives : hidden common drives to try.
    """
    fitted, held_out = split(data)
    table = np.zeros((0, 0))
    if dimensions is None:
        dimensions, table = choose_dimensions(fitted, held_out, tau_s=tau_s, gaussian=gaussian)
    state, gains = choose_drives(fitted, held_out, dimensions, tau_s, gaussian, most_drives)
    state = converge(state, fitted)
    judged = verdict(state, fitted, held_out, gains)
    final = converge(restart(state, data), data)
    covariance = posterior_covariance(final, data)
    return Analysis(
        fit=final,
        dimensions=list(dimensions),
        co_smoothing=table,
        drive_gains=gains,
        currents=currents(final.model, data, final.paths),
        deviation=np.stack(
            [deviation(final.model, data, final.paths, covariance, region) for region in range(final.model.regions)]
        ),
        verdict=judged,
    )
