"""What a file states about its units, and the unit table that is made from these facts for all file formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.cell_types import label_cell_types
from curbd.recording.cells import as_text, cell_text
from curbd.recording.label_origin import LabelOrigin
from curbd.recording.recording_file import UNIT_COLUMNS, Unmatched
from curbd.recording.regions import label_units
from curbd.settings.recording import RecordingSettings, RegionRule

MAX_CANDIDATE_TEXTS = 100
"""A column with more different strings is not offered as a column of region labels."""


@dataclass(frozen=True)
class UnitFacts:
    """What a file states about its units; facts that a file does not state are empty.

    Attributes
    ----------
    ids : (unit,) id of each unit, as in the file.
    origins : every origin of region labels.
    names : kind of name (electrode group, probe, imaging plane) -> (unit,) names; these names distinguish units with
        equal ids, and `regions.name_pattern` searches them for labels.
    electrode_ids : for each unit, the ids of its electrodes.
    cell_type : (unit,) excitatory, inhibitory or unknown.
    xyz : (unit, 3) position in the unit of length of the file, NaN where unknown; 0 everywhere in files that hold a
        placeholder (see `positions`).
    reason : (unit,) why the file excludes a unit; '' for all other units.
    columns : name -> (unit,) cells, for every column of the units (or ROI) table that holds numbers or strings, for
        `units.select`.
    candidates : name of a column of strings that is not used for labels -> (unit,) strings, for messages.
    notes : sentences on facts in the file that cannot be used.
    """

    ids: list[str]
    origins: list[LabelOrigin] = field(default_factory=list)
    names: Mapping[str, list[str]] = field(default_factory=dict)
    electrode_ids: list[list[str]] = field(default_factory=list)
    cell_type: list[str] = field(default_factory=list)
    xyz: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    reason: list[str] = field(default_factory=list)
    columns: Mapping[str, list[Any]] = field(default_factory=dict)
    candidates: Mapping[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def text_columns(table: str, columns: Mapping[str, Sequence[Any]], used: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns with at most `MAX_CANDIDATE_TEXTS` different strings that are not used for labels.

    Parameters
    ----------
    table : name of the table, which goes in front of the name of each column.
    columns : name -> (row,) cells.
    used : names of the columns that are used for labels.

    Returns
    -------
    Name with the table in front -> (row,) strings.
    """
    return {
        f"{table}.{name}": [as_text(cell) for cell in cells]
        for name, cells in columns.items()
        if name not in used
        and any(isinstance(cell, str | bytes) and as_text(cell) for cell in cells)
        and len(set(map(as_text, cells))) <= MAX_CANDIDATE_TEXTS
    }


def positions(xyz: np.ndarray) -> np.ndarray:
    """Return coordinates (unit, 3); if all are 0, return NaN everywhere, because a table of zeros is a placeholder."""
    xyz = np.asarray(xyz, float)
    return xyz if np.any(np.nan_to_num(xyz) != 0) else np.full_like(xyz, np.nan)


def unique_ids(ids: Sequence[str], names: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Make ids unique: if ids repeat, the name of a group, probe or plane is put in front of each id.

    Parameters
    ----------
    ids : (unit,) ids as in the file.
    names : kind of name -> (unit,) names.

    Returns
    -------
    (unit,) ids; sentences on what was changed.
    """
    if len(set(ids)) == len(ids):
        return list(ids), []
    for kind, of_units in names.items():
        prefixed = [f"{name}:{unit_id}" for name, unit_id in zip(of_units, ids, strict=True)]
        if len(set(prefixed)) == len(prefixed):
            return prefixed, [f"Unit ids repeat; the name of the {kind} stands before each id."]
    counts: Counter[str] = Counter()
    numbered = []
    for unit_id in ids:
        counts[unit_id] += 1
        numbered.append(unit_id if counts[unit_id] == 1 else f"{unit_id}#{counts[unit_id]}")
    if len(set(numbered)) < len(numbered):
        numbered = [f"{row}:{unit_id}" for row, unit_id in enumerate(ids)]
    return numbered, ["Unit ids repeat, and no group name distinguishes them; repeats are numbered (#2, #3, ...)."]


def join(groups: Sequence[UnitFacts]) -> UnitFacts:
    """Join the units of several probes or imaging planes into one list; facts that a group lacks become blanks."""
    if len(groups) == 1:
        return groups[0]
    sizes = [len(group.ids) for group in groups]
    kinds = dict.fromkeys(kind for group in groups for kind in group.names)
    origins = dict.fromkeys((origin.rule, origin.name) for group in groups for origin in group.origins)
    shared = [name for name in groups[0].columns if all(name in group.columns for group in groups)]

    def labels(rule: RegionRule, name: str) -> LabelOrigin:
        joined: list[str] = []
        raw: list[str] = []
        problem = ""
        for group, size in zip(groups, sizes, strict=True):
            same_origin = (origin for origin in group.origins if (origin.rule, origin.name) == (rule, name))
            origin = next(same_origin, LabelOrigin(rule, name, ("",) * size))
            joined += origin.labels
            raw += origin.raw or origin.labels
            problem = problem or origin.problem
        return LabelOrigin(rule, name, tuple(joined), () if raw == joined else tuple(raw), problem)

    def filled(facts: Iterable[Sequence[Any]], blank: Any) -> list[Any]:
        return [value for of_group, size in zip(facts, sizes, strict=True) for value in of_group or [blank] * size]

    blank_xyz = [np.full((size, 3), np.nan) for size in sizes]
    return UnitFacts(
        ids=[unit_id for group in groups for unit_id in group.ids],
        origins=[labels(rule, name) for rule, name in origins],
        names={kind: filled((group.names.get(kind, []) for group in groups), "") for kind in kinds},
        electrode_ids=filled((group.electrode_ids for group in groups), []),
        cell_type=filled((group.cell_type for group in groups), "unknown"),
        xyz=np.concatenate(
            [group.xyz if len(group.xyz) else blank for group, blank in zip(groups, blank_xyz, strict=True)]
        ),
        reason=filled((group.reason for group in groups), ""),
        columns={name: [value for group in groups for value in group.columns[name]] for name in shared},
        candidates={
            name: filled((group.candidates.get(name, []) for group in groups), "")
            for name in dict.fromkeys(name for group in groups for name in group.candidates)
        },
        notes=list(dict.fromkeys(note for group in groups for note in group.notes)),
    )


def unit_table(facts: UnitFacts, settings: RecordingSettings, where: str) -> tuple[pd.DataFrame, Unmatched, list[str]]:
    """Construct the table of the units of a file.

    Parameters
    ----------
    facts : what the file states about its units.
    settings : choice of region labels, of cell types and of units.
    where : the recording, for messages.

    Returns
    -------
    The table, with the columns `UNIT_COLUMNS`; names in the settings that no unit has; sentences on irregularities.

    Raises
    ------
    UserError : no unit has a region label, ``regions.merge`` names an unknown region, or ``units.select`` an unknown
        column.
    """
    n_units = len(facts.ids)
    ids, notes = unique_ids(facts.ids, facts.names)
    electrode_ids = facts.electrode_ids or [[]] * n_units
    table, unmatched, label_notes = label_units(
        ids, facts.origins, facts.names, electrode_ids, settings.regions, where, facts.candidates
    )
    table["unit_id"] = ids
    table, type_notes = label_cell_types(table, facts.cell_type, facts.columns, settings.cell_types, where)
    xyz = positions(facts.xyz) if len(facts.xyz) else np.full((n_units, 3), np.nan)
    table[["x", "y", "z"]] = xyz
    selection = select(facts.columns, settings.units.select, n_units, where)
    reasons = zip(facts.reason or [""] * n_units, selection, table["reason"], strict=True)
    table["reason"] = [next(filter(None, of_unit), "") for of_unit in reasons]
    values = absent_values(facts.columns, settings.units.select, "units.select", lambda cell: [cell_text(cell)])
    return table[list(UNIT_COLUMNS)], replace(unmatched, values=values), notes + facts.notes + label_notes + type_notes


def absent_values(
    columns: Mapping[str, Iterable[Any]],
    wanted: Mapping[str, Sequence[Any]],
    setting: str,
    texts: Callable[[Any], Iterable[str]],
) -> dict[tuple[str, str], list[str]]:
    """Find the values that a setting chooses among several values of a column, and that no row of the column has.

    A column of which a single value is chosen is left out: without that value no row is left, which is a mistake.

    Parameters
    ----------
    columns : name -> cells.
    wanted : column -> chosen values.
    setting : name of the setting, such as ``units.select``.
    texts : function that returns the strings by which a cell can be chosen.

    Returns
    -------
    (name of the setting and column, value) -> the values that the column has.
    """
    absent: dict[tuple[str, str], list[str]] = {}
    for column, values in wanted.items():
        if column in columns and len(values) > 1:
            present = sorted({text for cell in columns[column] for text in texts(cell)})
            missing = (text for text in map(cell_text, values) if text not in present)
            absent |= {(f"{setting}.{column}", text): present for text in missing}
    return absent


def select(
    columns: Mapping[str, Sequence[Any]], wanted: Mapping[str, list[Any]], n_units: int, where: str
) -> list[str]:
    """Return for each unit why it is not selected, or '' if it is selected.

    Parameters
    ----------
    columns : name -> (unit,) cells of the columns of the units table.
    wanted : column -> allowed values; numbers and strings are compared as strings.
    n_units : number of units.
    where : the recording, for messages.

    Returns
    -------
    (unit,) reasons.

    Raises
    ------
    UserError : a column does not exist in the file.
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
        allowed = {cell_text(value) for value in values}
        for unit, value in enumerate(columns[column]):
            if cell_text(value) not in allowed and not reasons[unit]:
                reasons[unit] = f"{column} is {cell_text(value) or 'empty'}"
    return reasons
