"""Fit a low-rank model to a recording."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from curbd.config import Model
from curbd.fitting import Estimator
from curbd.fitting import fit as fit_any
from lrfit.block_rank import block_rank
from lrfit.reduced_rank import reduced_rank
from lrfit.shooting import shooting
from lrfit.trajectory import trajectory

LOW_RANK: Mapping[str, Estimator] = {
    "reduced_rank": reduced_rank,
    "block_rank": block_rank,
    "shooting": shooting,
    "trajectory": trajectory,
}


def fit(recording: xr.Dataset, name: str, model: Model) -> tuple[xr.Dataset, list[float]]:
    """Fit every seed of a low-rank model: `curbd.fitting.fit` with the estimators of this package."""
    return fit_any(recording, name, model, LOW_RANK)
