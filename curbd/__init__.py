"""Networks fitted to neural recordings, the currents between brain regions, and in-silico inactivations.

In a notebook::

    import curbd

    session = curbd.ingest_file("session.nwb")
    networks = curbd.fit(session.recording, curbd.Model(family="full_rank")).networks
    pathways = curbd.judge(session.recording, networks)
    current = curbd.decompose(session.recording, networks)
    silence = {"silence": curbd.Inactivation()}
    effects = curbd.inactivate(session.recording, networks, silence, pathways=pathways)

Spike times and rates in memory, of pynapple, spikeinterface, pandas or xarray, become a session with
`curbd.ingest_spikes` and `curbd.ingest_rates`.

The names of the package are listed, with their types, in ``curbd/__init__.pyi``.
"""

from importlib.metadata import version as _version

import lazy_loader as _lazy

# torch and pynwb take seconds to import: `import curbd`, as the Snakefile does, must not.
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
__version__ = _version("curbd-workflow")
