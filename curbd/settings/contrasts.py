"""Settings of the comparisons between conditions or days (keys `contrasts` and `changes` of the config)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from curbd.settings.section import Section, Seed


class Levels(Section):
    """A comparison between the levels of a trial column."""

    column: str
    """Trial column whose values, the levels, are compared: every level with every other level."""
    levels: list[Any] = []
    """Two or more values of `column`. The difference is that of an earlier minus a later value of the list. Empty: all
    values; larger numbers minus smaller numbers, True minus False, texts in alphabetical order."""
    matched: list[str] = []
    """Trial columns or inputs in which the compared trials must be alike, such as a choice or a running speed. Trials
    are compared, and labels are permuted, only among trials with the same values; values of a column with many numbers
    are divided at their quartiles, and an input counts with its mean over the trial."""
    blocks: Annotated[int, Field(ge=1)] = 1
    """Number of successive blocks of trials of equal length. Trials are compared, and labels are permuted, only within
    a block, so that slow changes during the session do not count as a difference. 1: within the session."""
    null: Literal["permuted", "shifted"] = "permuted"
    """How the labels of the null are made. `permuted`: in random order; right if any order of the labels would have
    been as likely. `shifted`: the labels stay in their order and are shifted by a random number of trials, the last
    labels moving to the first trials; for labels that come in runs, such as the blocks of a task."""
    permutations: Annotated[int, Field(ge=19)] = 999
    """Number of permutations or shifts; the smallest possible p-value is 1 / (permutations + 1)."""
    seed: Seed = 0
    """Seed of the permutations."""

    @model_validator(mode="after")
    def _different_levels_and_null(self) -> Levels:
        if self.levels and len({str(level) for level in self.levels}) < max(2, len(self.levels)):
            raise ValueError(f"levels: found {self.levels}, expected at least two different values, each of them once")
        if self.null == "shifted" and (self.matched or self.blocks > 1):
            raise ValueError("null: found shifted with matched or blocks, expected permuted")
        return self


class Contrast(Levels):
    """One comparison of the currents of every pathway between the levels of a trial column."""

    start_s: float | None = None
    """Start of the compared time in seconds from t = 0 of the trial. Null: the start of the trial."""
    stop_s: float | None = None
    """End of the compared time in seconds from t = 0 of the trial. Null: the end of the trial."""

    @model_validator(mode="after")
    def _window(self) -> Contrast:
        if self.start_s is not None and self.stop_s is not None and self.start_s >= self.stop_s:
            raise ValueError(f"stop_s: found {self.stop_s:g}, expected a time after start_s: {self.start_s:g}")
        return self


class Change(Levels):
    """One comparison of the weights of every pathway between the levels of a trial column, such as days."""

    permutations: Annotated[int, Field(ge=19)] = 199
    """Number of permutations or shifts; the smallest possible p-value is 1 / (permutations + 1)."""
