"""Which brain region drives which: networks fitted to recordings, their currents by source, and what silencing does.

In a notebook::

    import curbd

    session = curbd.ingest_file("session.nwb")
    networks, seconds = curbd.fit(session.recording, "full_rank", curbd.Model(family="full_rank"))
    current = curbd.decompose(session.recording, networks)
    pathways = curbd.judge(session.recording, networks)
    effects = curbd.inactivate(session.recording, networks, {"silence": curbd.Inactivation()})
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "ingest_file": "curbd.recording.ingest",
    "inspect": "curbd.recording.inspection",
    "RecordingSettings": "curbd.settings.recording",
    "Model": "curbd.settings.models",
    "Inactivation": "curbd.settings.experiments",
    "ExperimentSettings": "curbd.settings.experiments",
    "fit": "curbd.estimators.fitting",
    "decompose": "curbd.pathways.currents",
    "judge": "curbd.pathways.judge",
    "inactivate": "curbd.inactivation",
    "run_experiments": "curbd.inactivation",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    # torch and pynwb take seconds to import: `import curbd`, as the Snakefile does, must not.
    if name not in _HOME:
        raise AttributeError(f"module 'curbd' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
