"""What a file says about its units, and the unit table that every reader delivers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import as_text, said
from curbd.recording.recording_file import UNIT_COLUMNS
from curbd.recording.regions import Place, label_units
from curbd.settings.recording import RecordingSettings

EXCITATORY = ("e", "exc", "excitatory", "pyr", "pyramidal", "pyramidal cell", "rs", "regular spiking", "glutamatergic")
INHIBITORY = (
    *("i", "inh", "inhibitory", "int", "interneuron", "narrow interneuron", "wide interneuron"),
    *("fs", "fast spiking", "pv", "sst", "vip", "gabaergic"),
)
CELL_TYPE_COLUMNS = ("cell_type", "type", "putative_cell_type")
"""Columns that may hold the type of a unit, tried in this order."""


@dataclass(frozen=True)
class UnitFacts:
    """What a file says about its units, a value each; a file without some fact leaves it out.

    Attributes
    ----------
    ids : name of each unit as the file gives it.
    places : every place that could name the region.
    names : kind of name -> name (electrode group, probe, imaging plane); prefix of ids that repeat, matter of
        `regions.name_pattern`.
    electrode_ids : electrodes of each unit.
    cell_type : excitatory, inhibitory or unknown.
    xyz : (unit, 3), NaN where not recorded.
    reason : why the file says not to use a unit, '' if it does not.
    columns : every simple column of the units (or ROI) table, for `units.select`.
    """

    ids: list[str]
    places: list[Place] = field(default_factory=list)
    names: Mapping[str, list[str]] = field(default_factory=dict)
    electrode_ids: list[list[str]] = field(default_factory=list)
    cell_type: list[str] = field(default_factory=list)
    xyz: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    reason: list[str] = field(default_factory=list)
    columns: Mapping[str, list[Any]] = field(default_factory=dict)


def cell_type(value: Any) -> str:
    """excitatory, inhibitory or unknown, from the usual words and abbreviations in any case."""
    word = as_text(value).casefold().replace("_", " ").replace("-", " ")
    return "excitatory" if word in EXCITATORY else "inhibitory" if word in INHIBITORY else "unknown"


def positions(xyz: np.ndarray) -> np.ndarray:
    """(unit, 3) coordinates with NaN for those that were not recorded: a table of zeros is a placeholder."""
    xyz = np.asarray(xyz, float)
    return xyz if np.any(np.nan_to_num(xyz) != 0) else np.full_like(xyz, np.nan)


def unique_ids(ids: Sequence[str], names: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Ids that are unique in the file: repeated ones get the name of their group, probe or plane in front.

    Returns
    -------
    (unit,) ids; notes.
    """
    if len(set(ids)) == len(ids):
        return list(ids), []
    for kind, of_units in names.items():
        longer = [f"{name}:{each}" for name, each in zip(of_units, ids, strict=True)]
        if len(set(longer)) == len(longer):
            return longer, [f"Unit ids repeat; the name of the {kind} stands before each id."]
    met: Counter[str] = Counter()
    numbered = []
    for each in ids:
        met[each] += 1
        numbered.append(each if met[each] == 1 else f"{each}#{met[each]}")
    if len(set(numbered)) < len(numbered):
        numbered = [f"{row}:{each}" for row, each in enumerate(ids)]
    return numbered, ["Unit ids repeat and no group name tells them apart; repeats are numbered (#2, #3, ...)."]


def join(parts: Sequence[UnitFacts]) -> UnitFacts:
    """The units of several probes or planes as one list."""
    if len(parts) == 1:
        return parts[0]
    sizes = [len(part.ids) for part in parts]
    kinds = dict.fromkeys(kind for part in parts for kind in part.names)
    places = dict.fromkeys((each.rule, each.name) for part in parts for each in part.places)
    shared = [name for name in parts[0].columns if all(name in part.columns for part in parts)]

    def labels(rule: str, name: str) -> tuple[str, ...]:
        found: list[str] = []
        for part, size in zip(parts, sizes, strict=True):
            own = next((each.labels for each in part.places if (each.rule, each.name) == (rule, name)), ("",) * size)
            found += own
        return tuple(found)

    return UnitFacts(
        ids=[each for part in parts for each in part.ids],
        places=[Place(rule, name, labels(rule, name)) for rule, name in places],
        names={
            kind: [n for part, size in zip(parts, sizes, strict=True) for n in part.names.get(kind, [""] * size)]
            for kind in kinds
        },
        electrode_ids=[e for p, size in zip(parts, sizes, strict=True) for e in p.electrode_ids or [[]] * size],
        cell_type=[c for p, size in zip(parts, sizes, strict=True) for c in p.cell_type or ["unknown"] * size],
        xyz=np.concatenate(
            [p.xyz if len(p.xyz) else np.full((size, 3), np.nan) for p, size in zip(parts, sizes, strict=True)]
        ),
        reason=[r for p, size in zip(parts, sizes, strict=True) for r in p.reason or [""] * size],
        columns={name: [value for part in parts for value in part.columns[name]] for name in shared},
    )


def unit_table(facts: UnitFacts, settings: RecordingSettings, where: str) -> tuple[pd.DataFrame, list[str]]:
    """The unit table of a `RecordingFile` (columns `UNIT_COLUMNS`), and notes.

    Raises
    ------
    UserError : no region label anywhere, an unknown region in the merge table, or an unknown column in
        ``units.select``.
    """
    n_units = len(facts.ids)
    ids, notes = unique_ids(facts.ids, facts.names)
    electrode_ids = facts.electrode_ids or [[]] * n_units
    table, disagree = label_units(ids, facts.places, facts.names, electrode_ids, settings.regions, where)
    table["unit_id"] = ids
    table["cell_type"] = facts.cell_type or ["unknown"] * n_units
    xyz = positions(facts.xyz) if len(facts.xyz) else np.full((n_units, 3), np.nan)
    table[["x", "y", "z"]] = xyz
    selected = select(facts.columns, settings.units.select, n_units, where)
    reasons = zip(facts.reason or [""] * n_units, selected, table["reason"], strict=True)
    table["reason"] = [next(filter(None, each), "") for each in reasons]
    return table[list(UNIT_COLUMNS)], notes + disagree


def select(
    columns: Mapping[str, Sequence[Any]], wanted: Mapping[str, list[Any]], n_units: int, where: str
) -> list[str]:
    """Why each unit is not selected, '' for those that are; numbers and texts are compared by what they say.

    Raises
    ------
    UserError : a column that the file does not have.
    """
    reasons = [""] * n_units
    for column, values in wanted.items():
        if column not in columns:
            raise UserError.at(
                f"{where}: units.select",
                found=f"unknown column {column!r}",
                expected=f"a column of the units ({', '.join(sorted(columns)) or 'there is none'})",
                todo=did_you_mean(column, columns),
            )
        allowed = {said(value) for value in values}
        for unit, value in enumerate(columns[column]):
            if said(value) not in allowed and not reasons[unit]:
                reasons[unit] = f"{column} is {said(value) or 'empty'}"
    return reasons
