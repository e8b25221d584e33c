"""Low-rank networks: how they are fitted to recordings and read.

In a notebook, with a session from `curbd.ingest_file`::

    import lrfit

    networks = lrfit.fit(session.recording, lrfit.Model(family="low_rank")).networks
    latents = lrfit.latents(session.recording, networks)
    tables = lrfit.mechanism_tables(session.recording, networks)

The five tables of a mechanism are dynamics, field, geometry, populations and transmission. The names of the package are
listed, with their types, in ``lrfit/__init__.pyi``.
"""

from importlib.metadata import version as _version

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
__version__ = _version("curbd-workflow")
