"""What a table and a column are, and the columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["text", "integer", "number", "flag"]


@dataclass(frozen=True)
class Column:
    """One column: its type, its meaning, whether it may be empty, and its allowed values.

    ``optional`` columns are left out where they make no sense (truth is known for teachers only).
    """

    name: str
    kind: Kind
    meaning: str
    empty: str = ""
    """When the cell may be empty; no text means never."""
    values: tuple[str, ...] = ()
    optional: bool = False
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Table:
    """One result table: one fact a row, found by its key columns."""

    file: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


RECORDING = Column("recording", "text", "name of the recording, from recordings.tsv")
MODEL = Column("model", "text", "name of the model, from the config")
SEED = Column(
    "seed",
    "integer",
    "seed of the fit; the first of a model is fitted to the training trials as "
    "they are, the others to bootstrap resamples of them",
)
REGION = Column("region", "text", "region after merging and renaming", empty="no label was found")
TARGET = Column("target", "text", "region that receives")
SOURCE = Column("source", "text", "what sends: a region, `input:<name>` or `bias`")
CONDITION = Column("condition", "text", "condition of the trials; `all` where the config names no condition column")
PERTURBATION = Column("perturbation", "text", "name in the config and what it acts on, `silence:ca1`")
AFFECTED = Column("target", "text", "region whose rates change, `latent:<number>` or `readout:<name>`")
NO_GROUP = "no other group could be drawn, or the target is not that of the cut pathway"
NO_TRUTH = "what is perturbed is no part of the true network"
