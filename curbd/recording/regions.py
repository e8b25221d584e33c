"""Region labels: where a file names the region of each unit, and how the settings change the label.

The reader of each file format collects every place in the file that could hold region labels, called an origin
(`LabelOrigin`). `label_units` tries these origins in the order of the settings, unit by unit, and records which origin
gave each label. `label_units` then merges and renames labels and treats units without a label as the settings say. The
name of a probe or of an imaging plane is used as a label only if the user gives a pattern for such names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from curbd.errors import UserError
from curbd.recording.cells import region_label
from curbd.recording.label_origin import LabelOrigin, label_origin
from curbd.recording.labels import LabelReader, compiled
from curbd.recording.recording_file import Unmatched
from curbd.recording.region_messages import alike, disagreements, no_label_message, problems
from curbd.recording.region_tables import first_of, read_mapping, read_merge
from curbd.settings.recording import RegionRule, Regions

UNKNOWN_REGION = "unknown"
"""Region of units without a label if ``regions.unknown`` is keep."""
NO_LABEL_REASON = "no region label"
"""Reason for which units without a label are left out if ``regions.unknown`` is drop."""
SOURCE_NAME = re.compile(r"bias|evoked|self-adaptation|input:.*|hidden_\d+")
"""Names of the sources of currents that are no regions."""


def resolve(
    origins: Sequence[LabelOrigin], order: Sequence[RegionRule], n_units: int
) -> tuple[list[str], list[str], list[str]]:
    """Choose the region label of each unit among all origins of labels.

    Parameters
    ----------
    origins : every origin of labels.
    order : kinds of origins; an earlier kind takes precedence over a later one.
    n_units : number of units.

    Returns
    -------
    (unit,) labels; (unit,) names of the origins that gave them; (unit,) strings in the file from which the labels were
    read. All three are '' for a unit without a label.
    """
    labels, names, raw = [""] * n_units, [""] * n_units, [""] * n_units
    for rule in order:
        for origin in (origin for origin in origins if origin.rule == rule):
            for unit, label in enumerate(origin.labels):
                if label and not labels[unit]:
                    labels[unit], names[unit] = label, origin.name
                    raw[unit] = origin.raw[unit] if origin.raw else label
    return labels, names, raw


def read_names(names: Mapping[str, Sequence[str]], pattern: str) -> list[LabelOrigin]:
    """Read region labels from the names of probes, electrode groups or imaging planes, by a pattern of the user.

    Parameters
    ----------
    names : kind of name -> (unit,) names.
    pattern : regular expression with one group, which is the label.

    Returns
    -------
    One origin of labels for each kind of name.

    Raises
    ------
    UserError : the pattern is not a regular expression with one group.
    """
    expression = compiled(pattern, "regions.name_pattern")
    matches = {kind: [expression.search(name) for name in of_units] for kind, of_units in names.items()}
    return [
        label_origin(
            "name_pattern", f"name pattern on {kind} name", (match.group(1) if match else "" for match in of_units)
        )
        for kind, of_units in matches.items()
    ]


def label_units(
    unit_ids: Sequence[str],
    origins: Sequence[LabelOrigin],
    names: Mapping[str, Sequence[str]],
    electrode_ids: Sequence[Sequence[str]],
    settings: Regions,
    where: str,
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> tuple[pd.DataFrame, Unmatched, list[str]]:
    """Determine the region of each unit as the settings say.

    Parameters
    ----------
    unit_ids : (unit,) ids of the units.
    origins : every origin of region labels in the file.
    names : kind of name (electrode group, probe, imaging plane) -> (unit,) names.
    electrode_ids : for each unit, the ids of its electrodes, for a mapping by electrode.
    settings : order of the origins, mapping, pattern, merging, and what to do with units without a label.
    where : the recording, for messages.
    candidates : name of a column of strings that is not used for labels -> (unit,) strings; for the message only.

    Returns
    -------
    table : one row per unit, with the columns region, region_raw, region_source and reason.
    unmatched : names in `settings.merge` and `settings.mapping` that no unit has.
    notes : sentences on origins that disagree or cannot be read, and on labels that differ only in case.

    Raises
    ------
    UserError : no unit has a label; a label is the name of a source that is no region, such as ``bias``; or some units
        have no label and ``regions.unknown`` is stop.
    """
    origins, absent_mapping, row_notes = list(origins), "", list[str]()
    if settings.mapping is not None:
        mapping, row_notes = read_mapping(settings.mapping, unit_ids, electrode_ids)
        origins.append(mapping)
        absent_mapping = mapping.problem
    if settings.name_pattern is not None:
        origins += read_names(names, settings.name_pattern)
    labels, label_sources, raw = resolve(origins, settings.order, len(unit_ids))
    if not any(labels) and settings.unknown != "keep":
        raise UserError(absent_mapping or no_label_message(unit_ids, origins, names, where, candidates))
    atlas = LabelReader(settings)
    labels = _merged_in_atlas(labels, label_sources, origins, atlas)
    merge = read_merge(settings.merge)
    present = sorted({*raw, *labels} - {""})
    region = [region_label(merge.get(text, merge.get(label, label))) for text, label in zip(raw, labels, strict=True)]
    _require_regions(region, where)
    if settings.unknown == "stop":
        _require_labels(unit_ids, region, where)
    keep = settings.unknown == "keep"
    table = pd.DataFrame(
        {
            "region": [label or (UNKNOWN_REGION if keep else "") for label in region],
            "region_raw": raw,
            "region_source": label_sources,
            "reason": ["" if label or keep else NO_LABEL_REASON for label in region],
        },
        dtype=object,
    )
    unmatched = Unmatched([label for label in merge if label not in present], absent_mapping, present_labels=present)
    return table, unmatched, row_notes + problems(origins) + disagreements(origins) + alike(region) + atlas.notes


def _merged_in_atlas(
    labels: Sequence[str], label_sources: Sequence[str], origins: Sequence[LabelOrigin], atlas: LabelReader
) -> list[str]:
    """Labels from a mapping or a name pattern of the user, merged in the atlas as the labels of the file were."""
    of_user = {origin.name for origin in origins if origin.rule in ("mapping", "name_pattern")}
    return [
        atlas.merged(label) if source in of_user else label for label, source in zip(labels, label_sources, strict=True)
    ]


def _require_regions(region: Sequence[str], where: str) -> None:
    """Stop if a region (unit,) has the name of a source that is no region."""
    taken = sorted({label for label in region if SOURCE_NAME.fullmatch(label)})
    if taken:
        raise UserError.at(
            f"{where}: regions",
            found=f"a region called {taken[0]!r}, a name that the tables use for a source that is no region",
            expected="other names",
            todo=f"rename the region: regions: {{merge: {{'{taken[0]}': <region>}}}}",
        )


def _require_labels(unit_ids: Sequence[str], region: Sequence[str], where: str) -> None:
    """Stop if a unit has no region (unit,)."""
    unlabelled = [unit for unit, label in zip(unit_ids, region, strict=True) if not label]
    if unlabelled:
        raise UserError.at(
            where,
            found=f"{len(unlabelled)} of {len(unit_ids)} units without a region label (unit {first_of(unlabelled)})",
            expected="a label for every unit, because regions.unknown is stop",
            todo="add the units to the table regions.mapping, or set regions.unknown to drop or keep",
        )
