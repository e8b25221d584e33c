"""Ridge regression from second moments, and the penalties that are tried for a target region and a source.

The current y of every unit is regressed on z = [r, u, 1]: the rates of all units, the inputs and a constant. Sources
are the regions, every input, and the bias. Penalties are arrays (target region, source). Regressions with one penalty
for each pair of a target region and a source are in `curbd.regression.ridge_factors`.
"""

from __future__ import annotations

import numpy as np
import torch

from curbd.regression.moments import Moments, cholesky

Array = np.ndarray
WEAK_INPUT_PENALTY = 1e-3
"""Penalty on the weights of an input, as a share of the input's sum of squares, that leaves the weights nearly free."""
REGULARISING_PENALTY = 1e-9
"""Penalty that keeps the matrix regular if an input is always 0, and leaves the bias free."""
PENALTY_GRID = 10.0 ** np.arange(-2, 6)
"""Penalties that are tried first, and the limits of all penalties. Smaller penalties fit the rounding errors of nearly
deterministic data: the currents of the published simulator get worse although the held-out error still falls."""


def inputs_free(block: Array, input_power: Array) -> Array:
    """Extend penalties of regions to all sources, so that the weights of inputs and the bias are nearly free.

    Parameters
    ----------
    block : (target region, source region) penalties.
    input_power : (input,) sum of squares of each input. The penalty of an input is a share of its sum of squares, so
        that the unit in which the input was recorded does not matter.

    Returns
    -------
    (target region, source) penalties of the regions, then of every input, then of the bias.
    """
    weak = np.append(np.maximum(WEAK_INPUT_PENALTY * input_power, REGULARISING_PENALTY), REGULARISING_PENALTY)
    return np.concatenate([block, np.broadcast_to(weak, (len(block), len(weak)))], axis=1)


def ridge_weights(m: Moments, penalty: torch.Tensor) -> torch.Tensor:
    """Solve a ridge regression: W = YZ (ZZ + diag(penalty))^-1.

    Parameters
    ----------
    m : second moments, YZ of targets and regressors and ZZ of the regressors.
    penalty : (regressor,) ridge penalties.

    Returns
    -------
    W : (..., unit, regressor) weights; the leading axes are the leading axes of the moments.
    """
    factor = cholesky(m.ZZ + torch.diag(penalty))
    return torch.cholesky_solve(m.YZ.mT, factor).mT
