"""The descriptions of all result tables by name, in the order of the data dictionary."""

from __future__ import annotations

from curbd.tables import experiments, fits, mechanism, pathways, recordings
from curbd.tables.column import Table

TABLES: dict[str, Table] = fits.TABLES | recordings.TABLES | pathways.TABLES | experiments.TABLES | mechanism.TABLES
