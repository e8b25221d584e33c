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
    kind : type of the cells: text, integer, number or flag.
    meaning : what a cell says, for users, with the unit if the name of the column has none.
    empty : condition under which a cell is empty, for users; '' if cells are never empty.
    values : allowed values of a text column; () allows any string.
    optional : True if a table may lack the column, for example because the true network is known only for teachers.
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
    """The description of one result table, which has one fact per row.

    Attributes
    ----------
    file : name of the file; ``.csv`` or ``.parquet``.
    meaning : what the table is about, for users.
    key : names of the columns that identify a row.
    columns : descriptions of all columns, in order.
    """

    file: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names_sessions(self) -> bool:
        """Return True if the table has the columns `SESSION_COLUMNS` once the tables of a run are collected."""
        return "recording" in self.key and self.file.endswith(".csv")

    @property
    def names(self) -> list[str]:
        """Return the names of all columns, in order."""
        return [column.name for column in self.columns]


RECORDING = Column("recording", "text", "name of the recording, from recordings.tsv")
SUBJECT = Column("subject", "text", "name of the animal, from recordings.tsv or the file; else that of the recording")
SESSION = Column("session", "text", "name of the session, from recordings.tsv or the file; else that of the recording")
SESSION_COLUMNS = (SUBJECT, SESSION)
"""Columns that every CSV table about recordings has once the tables of a run are collected."""
ABOUT = "about_"
"""Start of the names of further columns of these tables, with what the key `about` says about a recording."""
MODEL = Column("model", "text", "name of the model, from the config")
SEED = Column(
    "seed",
    "integer",
    "seed of the fit, from the config; the first fit of a model uses the training trials as they are, every additional "
    "fit a bootstrap resample of the training trials",
)
REGION = Column(
    "region", "text", "region of the unit, after merging and renaming of labels", empty="no label was found"
)
TARGET = Column("target", "text", "region that receives the current")
SOURCE = Column("source", "text", "what sends the current: a region, `input:<name>` or `bias`")
CONDITION = Column("condition", "text", "condition of the trials; `all` if the config names no columns for conditions")
EXPERIMENT = Column(
    "experiment", "text", "name of the entry of `inactivations` in the config to which the perturbation belongs"
)
ACTS_ON = Column(
    "acts_on",
    "text",
    "what is perturbed: a region, a group of units, a pathway `source->target`, an input, a latent, or "
    "several of these, joined by `+`",
)
FRACTION = Column(
    "fraction",
    "number",
    "share of the units of the region or group that is perturbed",
    empty="what is perturbed is not a single region or group of units",
    low=0,
    high=1,
)
PERTURBATION = Column(
    "perturbation",
    "text",
    "name of the experiment in the config and what is perturbed, for example `silence:ca1`",
)
AFFECTED = Column("target", "text", "what changes: a region, `latent:<number>` or `readout:<name>`")
NO_GROUP = "no random group could be drawn, or a pathway to another target is cut"
NO_INTERVAL = "the estimator has no posterior, and the model has one fit"
NO_TRUTH = "the true network is not known, or lacks what is perturbed"
