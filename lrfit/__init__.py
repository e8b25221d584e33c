"""Low-rank networks: how they are fitted to recordings and read.

In a notebook, with a recording from `curbd.ingest_file`::

    import lrfit
    from lrfit.mechanism.latents import latents
    from lrfit.mechanism.mechanism_tables import mechanism

    networks, seconds = lrfit.fit(recording, "low_rank", lrfit.Model(family="low_rank"))
    kappa = latents(recording, networks)
    tables = mechanism(recording, networks)  # dynamics, field, geometry, populations, transmission
"""

from __future__ import annotations

from curbd.settings.models import Model
from lrfit.estimators.fitting import LOW_RANK, fit

__all__ = ["LOW_RANK", "Model", "fit"]
