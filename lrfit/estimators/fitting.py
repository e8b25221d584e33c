"""Fit a low-rank model to a recording."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from curbd.estimators.fitting import Estimator
from curbd.estimators.fitting import fit as fit_any
from curbd.settings.models import Model
from lrfit.estimators.block_rank import block_rank
from lrfit.estimators.reduced_rank import reduced_rank
from lrfit.estimators.shooting import shooting
from lrfit.estimators.trajectory import trajectory

LOW_RANK: Mapping[str, Estimator] = {
    "reduced_rank": reduced_rank,
    "block_rank": block_rank,
    "shooting": shooting,
    "trajectory": trajectory,
}


def fit(recording: xr.Dataset, name: str, model: Model) -> tuple[xr.Dataset, list[float]]:
    """Fit every seed of a low-rank model: `curbd.estimators.fitting.fit` with the estimators of this package."""
    return fit_any(recording, name, model, LOW_RANK)
