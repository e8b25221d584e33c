"""Region labels: which place of a file names the region of each unit, and what becomes of the label.

A reader hands over every place that could hold a label (`Place`); `label_units` tries them in the order of the
settings, unit by unit, keeps where each label came from, merges and renames, and applies the policy for units without
a label. Names of probes and planes are labels only through the user's own pattern: nothing is guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from curbd.errors import UserError, did_you_mean
from curbd.recording.cells import as_text, clean
from curbd.settings.recording import RegionRule, Regions

UNKNOWN = "unknown"
"""Region of units without a label under ``unknown: keep``."""
NO_REGION = "no region label"
"""Reason of units without a label under ``unknown: drop``."""


@dataclass(frozen=True)
class Place:
    """One place of a file that could hold region labels: its rule, its name, and its label of each unit ('' = none)."""

    rule: RegionRule
    name: str
    labels: tuple[str, ...]


def place(rule: RegionRule, name: str, values: Iterable[Any]) -> Place:
    """A place from the cells as the file holds them."""
    return Place(rule, name, tuple(clean(value) for value in values))


def majority(labels: Iterable[str]) -> str:
    """The most frequent label; '' when there is none or when the first two are equally frequent."""
    ranked = Counter(label for label in labels if label).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return ""
    return ranked[0][0]


def resolve(places: Sequence[Place], order: Sequence[RegionRule], n_units: int) -> tuple[list[str], list[str]]:
    """Label and source of each unit: the first rule of the order, and its first place, that gives a label."""
    labels, sources = [""] * n_units, [""] * n_units
    for rule in order:
        for candidate in (each for each in places if each.rule == rule):
            for unit, label in enumerate(candidate.labels):
                if label and not labels[unit]:
                    labels[unit], sources[unit] = label, candidate.name
    return labels, sources


def read_mapping(path: str, unit_ids: Sequence[str], electrode_ids: Sequence[Sequence[str]]) -> Place:
    """Labels of a user's TSV with the columns ``unit_id`` (or ``electrode_id``) and ``region``.

    Raises
    ------
    UserError : no such file, no table in it, other columns, an id twice, or no unit of the file named.
    """
    table = _read_tsv(path, "regions.mapping", "unit_id (or electrode_id) and region")
    key = next((column for column in ("unit_id", "electrode_id") if column in table), None)
    if key is None or "region" not in table:
        raise UserError.at(
            path,
            found=f"the columns {', '.join(table.columns)}",
            expected="unit_id (or electrode_id) and region, separated by tabs",
        )
    repeated = table[key][table[key].duplicated()].unique()
    if len(repeated):
        raise UserError.at(path, found=f"{key} {', '.join(repeated[:5])} more than once", expected="one row for each")
    labels = dict(zip(table[key], table["region"], strict=True))
    if key == "unit_id":
        found = place("mapping", "mapping", (labels.get(unit, "") for unit in unit_ids))
    else:
        found = place("mapping", "mapping", (majority(clean(labels.get(e, "")) for e in ids) for ids in electrode_ids))
    if not any(found.labels):
        known = unit_ids if key == "unit_id" else sorted({each for ids in electrode_ids for each in ids})
        raise UserError.at(
            path,
            found=f"no label for any unit ({key} {', '.join(list(labels)[:5])} ...)",
            expected=f"{key} out of {_some(known)}" if known else "unit_id (the file links no unit to an electrode)",
        )
    return found


def read_names(names: Mapping[str, Sequence[str]], pattern: str) -> list[Place]:
    """Labels that the user's pattern finds in names; ``names`` is kind of name -> name for each unit.

    Raises
    ------
    UserError : the pattern is no regular expression with one group.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError.at(
            "regions.name_pattern", found=f"{pattern!r} ({error})", expected="a regular expression"
        ) from None
    if compiled.groups != 1:
        raise UserError.at(
            "regions.name_pattern",
            found=f"{pattern!r} with {compiled.groups} groups",
            expected=r"one group that is the label, as in group\d+_(\w+)",
        )
    matches = {kind: [compiled.search(name) for name in of_units] for kind, of_units in names.items()}
    return [
        place("name_pattern", f"name pattern on {kind} name", (m.group(1) if m else "" for m in found))
        for kind, found in matches.items()
    ]


def read_merge(merge: dict[str, str] | str) -> dict[str, str]:
    """Old label -> new label, from the config or from a TSV with the columns ``label`` and ``region``.

    Raises
    ------
    UserError : no such file, no table in it, or other columns.
    """
    if not isinstance(merge, str):
        return {as_text(old): as_text(new) for old, new in merge.items()}
    table = _read_tsv(merge, "regions.merge", "label and region")
    if not {"label", "region"} <= set(table.columns):
        raise UserError.at(merge, found=f"the columns {', '.join(table.columns)}", expected="label and region")
    return dict(zip(table["label"], table["region"], strict=True))


def label_units(
    unit_ids: Sequence[str],
    places: Sequence[Place],
    names: Mapping[str, Sequence[str]],
    electrode_ids: Sequence[Sequence[str]],
    settings: Regions,
    where: str,
) -> tuple[pd.DataFrame, list[str]]:
    """Region of each unit by the settings, and notes on places that disagree.

    Parameters
    ----------
    unit_ids, places : units of the file, and every place that could name their region.
    names : kind of name -> name for each unit (electrode group, probe, imaging plane).
    electrode_ids : electrodes of each unit, for a mapping by electrode.
    settings : order, mapping, pattern, merging, policy for units without a label.
    where : the recording, for messages.

    Returns
    -------
    (unit,) table with region, region_raw, region_source, reason; notes.

    Raises
    ------
    UserError : no label anywhere, a label of `settings.merge` that no unit has, or units without a label under
        ``unknown: stop``.
    """
    places = list(places)
    if settings.mapping is not None:
        places.append(read_mapping(settings.mapping, unit_ids, electrode_ids))
    if settings.name_pattern is not None:
        places += read_names(names, settings.name_pattern)
    raw, sources = resolve(places, settings.order, len(unit_ids))
    if not any(raw) and settings.unknown != "keep":
        raise UserError(no_label_anywhere(unit_ids, places, names, where))
    merge = read_merge(settings.merge)
    present = sorted(set(raw) - {""})
    if absent := [label for label in merge if label not in present]:
        raise UserError.at(
            f"{where}: regions.merge",
            found=f"unknown region {', '.join(map(repr, absent))}",
            expected=f"regions of this recording ({', '.join(present)})",
            todo=did_you_mean(absent[0], present),
        )
    region = [clean(merge.get(label, label)) for label in raw]
    bare = [unit for unit, label in zip(unit_ids, region, strict=True) if not label]
    if bare and settings.unknown == "stop":
        raise UserError.at(
            where,
            found=f"{len(bare)} of {len(unit_ids)} units without a region label (unit {_some(bare)})",
            expected="a label for every unit, as regions.unknown is stop",
            todo="add them to regions.mapping, or set regions.unknown to drop or keep",
        )
    keep = settings.unknown == "keep"
    table = pd.DataFrame(
        {
            "region": [label or (UNKNOWN if keep else "") for label in region],
            "region_raw": raw,
            "region_source": sources,
            "reason": ["" if label or keep else NO_REGION for label in region],
        },
        dtype=object,
    )
    return table, disagreements(places)


def disagreements(places: Sequence[Place]) -> list[str]:
    """A sentence for each pair of places that name different regions for the same units.

    A mapping is the user's own word, and a pattern of his may find other names: neither is compared.
    """
    compared = [each for each in places if each.rule not in ("mapping", "name_pattern") and any(each.labels)]
    notes = []
    for number, first in enumerate(compared):
        for second in compared[number + 1 :]:
            pairs = [(a, b) for a, b in zip(first.labels, second.labels, strict=True) if a and b and a != b]
            if pairs:
                notes.append(
                    f"{first.name} and {second.name} disagree for {len(pairs)} of {len(first.labels)} units"
                    f" (e.g. {pairs[0][0]} and {pairs[0][1]}); regions.order and regions.unit_columns choose."
                )
    return notes


def suggest_pattern(name: str) -> str:
    r"""Pattern that finds the last part of a name, ``group0_psb`` -> ``group\d+_(\w+)``; '' for a name of one part."""
    parts = re.match(r"^(.*[_\-. ])([^\W\d_][^\W_]*)$", name)
    if parts is None:
        return ""
    return re.sub(r"\d+", lambda _: r"\d+", re.sub(r"([.\-])", r"\\\1", parts[1])) + r"(\w+)"


def no_label_anywhere(
    unit_ids: Sequence[str], places: Sequence[Place], names: Mapping[str, Sequence[str]], where: str
) -> str:
    """The message for a file in which no unit has a label: where it was looked for, and the mapping to write."""
    looked = ", ".join(dict.fromkeys(each.name for each in places))
    lines = [
        f"{where}: no region label anywhere: found {len(unit_ids)} units and no label"
        + (f" (empty: {looked})" if looked else " (no place in the file could hold one)")
        + ", expected one for each unit.",
        "Write a table regions.tsv, columns separated by tabs, a row for each unit:",
        "  unit_id\tregion",
        *(f"  {unit}\t<region>" for unit in unit_ids[:3]),
        *(["  ..."] if len(unit_ids) > 3 else []),
        "and name it in the config under defaults (or in recordings.tsv, column regions.mapping):",
        "  regions: {mapping: regions.tsv}",
    ]
    for kind, of_units in names.items():
        if known := list(dict.fromkeys(name for name in of_units if name)):
            pattern = next(filter(None, map(suggest_pattern, known)), "")
            lines.append(
                f"Not read as a label, as it is only a name: {kind} {_some(known)}."
                + (f" If it holds the region, this reads it: regions: {{name_pattern: '{pattern}'}}" if pattern else "")
            )
    lines.append("Or fit all units as one region `unknown`: regions: {unknown: keep}")
    return "\n".join(lines)


def _read_tsv(path: str, field: str, columns: str) -> pd.DataFrame:
    expected = f"a TSV with the columns {columns}"
    if not Path(path).is_file():
        raise UserError.at(field, found=f"{path}, which is no file", expected=expected)
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, comment=None)
    except (OSError, ValueError) as error:
        # Empty, lines of different lengths, or not UTF-8.
        raise UserError.at(field, found=f"{path} ({str(error).strip()})", expected=f"{expected}, in UTF-8") from None
    table.columns = [as_text(column) for column in table.columns]
    return table.map(as_text)


def _some(values: Sequence[str], limit: int = 5) -> str:
    return ", ".join(values[:limit]) + (", ..." if len(values) > limit else "")
