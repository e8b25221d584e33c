"""The descriptions of all result tables by name, in the order of the data dictionary."""

from __future__ import annotations

from curbd.tables import (
    changes,
    constraints,
    contrasts,
    currents,
    degeneracy,
    dynamics,
    fits,
    gates,
    group,
    inactivations,
    interactions,
    mechanism,
    nulls,
    oscillators,
    pathway_windows,
    pathways,
    perturbation_comparison,
    recordings,
    shared,
)
from curbd.tables.column import Table

TABLES: dict[str, Table] = (
    fits.TABLES
    | recordings.TABLES
    | currents.TABLES
    | pathways.TABLES
    | nulls.TABLES
    | pathway_windows.TABLES
    | contrasts.TABLES
    | changes.TABLES
    | constraints.TABLES
    | inactivations.TABLES
    | perturbation_comparison.TABLES
    | interactions.TABLES
    | mechanism.TABLES
    | dynamics.TABLES
    | degeneracy.TABLES
    | oscillators.TABLES
    | gates.TABLES
    | shared.TABLES
    | group.TABLES
)
FROM_COLLECTED = ("group",)
"""Tables that no step of a recording or model writes, because they are computed from the collected tables of a run."""
