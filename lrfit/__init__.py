"""Low-rank networks: how they are fitted to recordings and read.

In a notebook, with a recording from `curbd.ingest_file`::

    import lrfit
    from lrfit.latents import latents

    networks, seconds = lrfit.fit(recording, "low_rank", lrfit.Model(family="low_rank"))
    kappa = latents(recording, networks)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Model": "curbd.config",
    "fit": "lrfit.fitting",
    "LOW_RANK": "lrfit.fitting",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: `import lrfit` must not.
    if name not in _HOME:
        raise AttributeError(f"module 'lrfit' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
