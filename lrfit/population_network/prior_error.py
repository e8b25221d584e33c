"""Error of the weights that comes from the choice of the prior of the weights within regions.

The posterior of the weights takes the prior as known. With few units or trials, the prior decides between slow dynamics
of a region and steady currents into the region, so that another width of the prior moves the weights by more than their
posterior variance. The weights are therefore computed again with a narrower prior, and their change is an error.
"""

from __future__ import annotations

import numpy as np

from lrfit.population_network.fit import Fit
from lrfit.population_network.paths import infer
from lrfit.population_network.recording import Recording
from lrfit.population_network.weights import learn

Array = np.ndarray
NARROW_PRIOR_FACTOR = 10.0
"""Factor on the penalty of the weights within regions: a prior whose standard deviation is a third."""
NARROW_PRIOR_ROUNDS = 10
CHANGES_PER_SD = 2.0
"""Standard deviation of the weights, relative to their change with the narrower prior.

Chosen with the sample error of `lrfit.population_network.currents` on teachers of other seeds than the reported
seeds."""


def prior_error(fit: Fit, data: Recording) -> Array:
    """Compute the covariance of the weights A that comes from the width of the prior within regions.

    Loadings and coordinates of the latents stay as they are, so that the weights of both priors can be compared.

    Parameters
    ----------
    fit : the fitted network.
    data : the trials of the fit.

    Returns
    -------
    (row, latent, row, latent) covariance of the entries of A; rows are the latents of regions.
    """
    model, paths, prior = fit.model, fit.paths, with_narrow_prior(fit).prior
    for _ in range(NARROW_PRIOR_ROUNDS):
        paths = infer(model, data, paths)
        model, prior = learn(model, data, paths, prior)
    rows = fit.model.group < fit.model.regions
    change = CHANGES_PER_SD * (model.A - fit.model.A)[rows]
    return np.einsum("ij,kl->ijkl", change, change)


def with_narrow_prior(fit: Fit) -> Fit:
    """Multiply the penalties of the weights within regions by ``NARROW_PRIOR_FACTOR``."""
    penalty = fit.prior.penalty.copy()
    for region in range(fit.model.regions):
        penalty[region, fit.prior.block == region] *= NARROW_PRIOR_FACTOR
    return fit._replace(prior=fit.prior._replace(penalty=penalty))
