"""Signs on what groups of units send: excitatory groups raise the rates of other groups, inhibitory groups lower them.

A group is a region of the network whose units are of one kind, such as the inhibitory units of an area. With one latent
for each group, more activity of a group raises or lowers the rates of another group, whatever the coordinates of the
latents: the sign is that of mean loading of the target x weight x mean loading of the source. With more latents, the
same weights raise some units of the target and lower others, so that a group has no such sign.
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.evidence import without
from lrfit.population_network.fit import Fit, improve
from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording

Array = np.ndarray
SIGN_PASSES = 2
"""Number of passes, in each of which pathways of the other sign are removed and everything else is fitted again."""
ROUNDS_PER_PASS = 15


def sent_signs(model: Population, unit_region: Array) -> Array:
    """Return the sign (target, source) of what more activity of a group does to the rates of another group.

    Parameters
    ----------
    model : the network, with one latent for each region.
    unit_region : (unit,) index of the region of every unit.

    Raises
    ------
    ValueError : a region has more than one latent, so that what it sends has no sign.
    """
    regions = model.regions
    if not np.array_equal(model.group[model.group < regions], np.arange(regions)):
        raise ValueError("found a region with several latents, expected one latent for each region")
    mean = np.array([model.C[unit_region == region, region].mean() for region in range(regions)])
    return np.sign(mean[:, None] * model.A[:regions, :regions] * mean)


def wrong_share(model: Population, unit_region: Array, sign: Array) -> float:
    """Compute the share of the weights between regions, by absolute value, that have the other sign.

    Parameters
    ----------
    model : the network, with one latent for each region.
    unit_region : (unit,) index of the region of every unit.
    sign : (region,) 1 for excitatory, -1 for inhibitory, 0 for unknown regions.
    """
    across = ~np.eye(model.regions, dtype=bool)
    mean = np.array([model.C[unit_region == region, region].mean() for region in range(model.regions)])
    size = np.abs(mean[:, None] * model.A[: model.regions, : model.regions] * mean)[across]
    wrong = (sent_signs(model, unit_region) * sign < 0)[across]
    return float(size[wrong].sum() / size.sum())


def with_signs(fit: Fit, data: Recording, sign: Array) -> Fit:
    """Fit a network again in which no region sends to another region what has the other sign.

    Pathways of the other sign are removed, and everything else is fitted again. The control is the share of the weights
    to which the free fit gives the other sign (`wrong_share`), under these signs and under wrong signs.

    Parameters
    ----------
    fit : the fitted network, with one latent for each region.
    data : the trials of the fit.
    sign : (region,) 1 for excitatory, -1 for inhibitory, 0 for unknown regions.
    """
    for _ in range(SIGN_PASSES):
        fit = improve(_without_wrong(fit, data.region, sign), data, ROUNDS_PER_PASS)
    return _without_wrong(fit, data.region, sign)


def _without_wrong(fit: Fit, unit_region: Array, sign: Array) -> Fit:
    """Remove the pathways between regions that have the other sign."""
    for target, source in np.argwhere(sent_signs(fit.model, unit_region) * sign < 0):
        if target != source:
            fit = without(fit, int(target), int(source))
    return fit
