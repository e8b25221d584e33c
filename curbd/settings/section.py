"""The base class of all sections of the config, and the types of their values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"
"""Regular expression for the names of recordings, models and experiments. These names become folder names and wildcards
of the workflow."""

RESERVED_NAMES = ("tables", "logs", "benchmarks", "shared")
"""Folders of the results that stand next to the folders of the recordings; no recording may have such a name."""

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(pattern=NAME)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Section(BaseModel):
    """A section of the config: unknown keys are refused, and values cannot be changed after the check of the config."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
