"""The verdict on every pathway in a part of the trial: the bins of a time window are a recording of their own.

A network for the window starts from the network of the whole trial. Numbers of latents, form, hidden drives and
held-out trials stay the same; weights, their penalties and loadings are fitted again to the bins of the window. The
rule of the verdict is that of the whole trial. The network of a window does not know what happened before the window.
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.fit import Fit, converge, restart
from lrfit.population_network.hidden import initial_shrinkage
from lrfit.population_network.model import Population
from lrfit.population_network.paths import first_paths
from lrfit.population_network.recording import Recording, subset
from lrfit.population_network.verdict import Verdict, verdict

Array = np.ndarray


def window_verdict(
    model: Population,
    fitted: Recording,
    held_out: Recording,
    bins: Array,
    common_nats: float,
    latents_suffice: bool = True,
) -> tuple[Fit, Verdict]:
    """Fit a network to a time window, and judge every pathway between regions in this window.

    Parameters
    ----------
    model : the network of the whole trial.
    fitted : training trials.
    held_out : trials that were not used in the fit.
    bins : (bin,) indices of successive bins, two or more.
    common_nats : gain in held-out log likelihood of the hidden drives over the whole trial, in nats; 0
        without drives. The part of the window in this gain is its share of the bins.
    latents_suffice : whether there are enough latents over the whole trial, see `Dimensions`.

    Returns
    -------
    The fit to the training trials in the window, and the verdicts.
    """
    inside = in_bins(fitted, bins)
    first = Fit(model=model, paths=first_paths(model, inside), prior=initial_shrinkage(model, inside.source_name))
    state = converge(restart(first, inside), inside)
    share = float(inside.inside.sum() / fitted.inside.sum())
    return state, verdict(state, inside, in_bins(held_out, bins), common_nats * share, latents_suffice)


def in_bins(data: Recording, bins: Array) -> Recording:
    """Select successive bins of a recording, without trials that end before the second of these bins.

    Parameters
    ----------
    data : the recording.
    bins : (bin,) indices of successive bins, two or more.
    """
    chosen = subset(data, np.flatnonzero(data.inside[bins[1]]))
    return chosen._replace(
        activity=chosen.activity[bins],
        seen=chosen.seen[bins],
        inside=chosen.inside[bins],
        sources=chosen.sources[bins],
        past=None if chosen.past is None else chosen.past[:, bins],
    )
