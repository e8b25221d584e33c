"""The classes `Table` and `Column`, and the columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["text", "integer", "number", "flag"]


@dataclass(frozen=True)
class Column:
    """One column of a result table.

    Attributes
    ----------
    name : name of the column.
    kind : type of the cells.
    meaning : what a cell says, for users; with the unit where the name has none.
    empty : when a cell may be empty; an empty text means never.
    values : allowed values of a text column; none means any text.
    optional : whether a table may lack the column, as the true network is known for teachers only.
    low, high : limits of a number, included.
    """

    name: str
    kind: Kind
    meaning: str
    empty: str = ""
    values: tuple[str, ...] = ()
    optional: bool = False
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Table:
    """One result table: one fact in each row.

    Attributes
    ----------
    file : name of the file; ``.csv`` or ``.parquet``.
    meaning : what the table is about, for users.
    key : names of the columns that identify a row.
    columns : all columns in their order.
    """

    file: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Names of all columns in their order."""
        return [column.name for column in self.columns]


RECORDING = Column("recording", "text", "name of the recording, from recordings.tsv")
MODEL = Column("model", "text", "name of the model, from the config")
SEED = Column(
    "seed",
    "integer",
    "seed of the fit, from the config; the first fit of a model uses the training trials as they are, every further "
    "fit a bootstrap resample of the training trials",
)
REGION = Column(
    "region", "text", "region of the unit, after merging and renaming of labels", empty="no label was found"
)
TARGET = Column("target", "text", "region that receives the current")
SOURCE = Column("source", "text", "what sends the current: a region, `input:<name>` or `bias`")
CONDITION = Column(
    "condition", "text", "condition of the trials; `all` where the config names no columns for conditions"
)
EXPERIMENT = Column(
    "experiment", "text", "name of the entry of `inactivations` in the config that the perturbation belongs to"
)
ACTS_ON = Column(
    "acts_on",
    "text",
    "what the perturbation acts on: a region, a group of units, a pathway `source->target`, an input, a latent, or "
    "several of these joined by `+`",
)
FRACTION = Column(
    "fraction",
    "number",
    "share of the units of the region or group that the perturbation acts on",
    empty="the perturbation acts on no single region or group of units",
    low=0,
    high=1,
)
PERTURBATION = Column(
    "perturbation",
    "text",
    "name of the experiment in the config and what the experiment acts on, for example `silence:ca1`",
)
AFFECTED = Column("target", "text", "what changes: a region, `latent:<number>` or `readout:<name>`")
NO_GROUP = "no random group could be drawn, or a pathway to another target is cut"
NO_INTERVAL = "the estimator has no posterior, and the model has one fit"
NO_TRUTH = "the true network does not have what is perturbed"
