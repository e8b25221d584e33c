"""What the sections of the config have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"
"""Pattern of recording, model and inactivation names; the wildcards of the rules match the same text."""


RESERVED_NAMES = ("tables", "logs", "benchmarks")


Positive = Annotated[float, Field(gt=0)]


NotNegative = Annotated[float, Field(ge=0)]


Name = Annotated[str, Field(pattern=NAME)]


class Section(BaseModel):
    """A section of the config: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
