"""Region labels: where a file names the region of each unit, and how the settings change the label.

The reader of each file format collects every place in the file that could hold region labels, called an origin
(`LabelOrigin`). `label_units` tries these origins in the order of the settings, unit by unit, and records which origin
gave each label. `label_units` then merges and renames labels and treats units without a label as the settings say. The
name of a probe or of an imaging plane is used as a label only if the user gives a pattern for such names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from curbd.errors import UserError, did_you_mean, mistake
from curbd.recording.cells import as_text, region_label
from curbd.recording.labels import LabelReader, compiled
from curbd.settings.recording import RegionRule, Regions

UNKNOWN_REGION = "unknown"
"""Region of units without a label if ``regions.unknown`` is keep."""
NO_LABEL_REASON = "no region label"
"""Reason for which units without a label are left out if ``regions.unknown`` is drop."""


SOURCE_NAME = re.compile(r"bias|evoked|self-adaptation|input:.*|hidden_\d+")
"""Names of the sources of currents that are no regions."""
REGION_WORDS = ("acronym", "region", "area", "location", "structure", "ccf", "allen", "brain", "anatom", "label")
"""Words in the names of columns that probably hold region labels."""
MAX_CANDIDATES = 6
"""Up to this number of columns that could hold region labels are listed."""


@dataclass(frozen=True)
class LabelOrigin:
    """A place in a file, or a table of the user, that could hold the region label of each unit.

    Attributes
    ----------
    rule : kind of the origin, as in ``regions.order``.
    name : name of the origin, stored as ``region_source``.
    labels : (unit,) label of each unit; '' if the origin gives none.
    raw : (unit,) strings in the file from which the labels were read; empty if they are the labels themselves.
    problem : why labels of this origin cannot be read; '' if they can.
    """

    rule: RegionRule
    name: str
    labels: tuple[str, ...]
    raw: tuple[str, ...] = ()
    problem: str = ""


def label_origin(
    rule: RegionRule, name: str, values: Iterable[Any], read: Callable[[Any], str] = region_label
) -> LabelOrigin:
    """Construct an origin of labels from cells as the file holds them.

    Parameters
    ----------
    rule : kind of the origin, as in ``regions.order``.
    name : name of the origin.
    values : (unit,) cells.
    read : function that reads the label from a cell.

    Returns
    -------
    The origin with its labels.
    """
    cells = list(values)
    labels = tuple(read(cell) for cell in cells)
    raw = tuple(as_text(cell) if label else "" for cell, label in zip(cells, labels, strict=True))
    return LabelOrigin(rule, name, labels, () if raw == labels else raw)


def majority(labels: Iterable[str]) -> str:
    """Return the most frequent label; '' if there is no label, or if two labels are equally frequent."""
    ranked = Counter(label for label in labels if label).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return ""
    return ranked[0][0]


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


def read_mapping(
    path: str, unit_ids: Sequence[str], electrode_ids: Sequence[Sequence[str]]
) -> tuple[LabelOrigin, list[str]]:
    """Read region labels from a table of the user, a TSV file with the columns ``unit_id`` and ``region``.

    A table may have the column ``electrode_id`` instead of ``unit_id``; each unit then gets the most frequent label of
    its electrodes.

    Parameters
    ----------
    path : path of the table.
    unit_ids : (unit,) ids of the units.
    electrode_ids : for each unit, the ids of its electrodes.

    Returns
    -------
    The labels as an origin, whose ``problem`` says so if the table names no unit of the recording; and a sentence if
    some rows name none.

    Raises
    ------
    UserError : the file does not exist or is not such a table, or an id appears in two rows.
    """
    table = read_tsv(path, "regions.mapping", "unit_id (or electrode_id) and region")
    key = next((column for column in ("unit_id", "electrode_id") if column in table), None)
    if key is None or "region" not in table:
        raise UserError.at(
            path,
            found=f"the columns {', '.join(table.columns)}",
            expected="unit_id (or electrode_id) and region, separated by tabs",
        )
    repeated = table[key][table[key].duplicated()].unique()
    if len(repeated):
        raise UserError.at(
            path, found=f"{key} {_some(repeated.tolist())} in more than one row", expected=f"one row for each {key}"
        )
    known = set(unit_ids) if key == "unit_id" else {electrode for ids in electrode_ids for electrode in ids}
    # Programs that read the ids as numbers write 3 as 3.0.
    written = [cell if cell in known else cell.removesuffix(".0") for cell in table[key]]
    labels = dict(zip(written, table["region"], strict=True))
    if key == "unit_id":
        cells = [labels.get(unit, "") for unit in unit_ids]
    else:
        cells = [majority(region_label(labels.get(electrode, "")) for electrode in ids) for ids in electrode_ids]
    origin = label_origin("mapping", "mapping", cells)
    if any(origin.labels):
        return origin, _note_on_rows_without_units(path, key, [row for row in labels if row not in known], len(labels))
    known_ids = unit_ids if key == "unit_id" else sorted({electrode for ids in electrode_ids for electrode in ids})
    problem = mistake(
        path,
        found=f"no label for any unit of the recording (the table has {key} {_some(list(labels))})",
        expected=f"{key} of the recording, such as {_some(known_ids)}"
        if known_ids
        else "the column unit_id, because the file links no unit to an electrode",
    )
    return replace(origin, problem=problem), []


def _note_on_rows_without_units(path: str, key: str, absent: Sequence[str], n_rows: int) -> list[str]:
    """A sentence on ids of a table that no unit has; none for most rows, because the table is that of other recordings
    as well."""
    if not absent or 2 * len(absent) > n_rows:
        return []
    return [
        f"{path}: {len(absent)} of {n_rows} rows name no unit of the recording ({key} {_some(list(absent))}): if the"
        " table counts from 1 and the file from 0, all labels are those of the preceding unit."
    ]


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


def read_merge(merge: dict[str, str] | str) -> dict[str, str]:
    """Read which labels are renamed: a mapping from old to new labels, from the config or from a TSV file.

    Parameters
    ----------
    merge : the mapping itself, or the path of a TSV file with the columns ``label`` and ``region``.

    Returns
    -------
    Old label -> new label.

    Raises
    ------
    UserError : the file does not exist, is not a table, or has other columns.
    """
    if not isinstance(merge, str):
        return {as_text(old): as_text(new) for old, new in merge.items()}
    table = read_tsv(merge, "regions.merge", "label and region")
    if not {"label", "region"} <= set(table.columns):
        raise UserError.at(merge, found=f"the columns {', '.join(table.columns)}", expected="label and region")
    return dict(zip(table["label"], table["region"], strict=True))


def label_units(
    unit_ids: Sequence[str],
    origins: Sequence[LabelOrigin],
    names: Mapping[str, Sequence[str]],
    electrode_ids: Sequence[Sequence[str]],
    settings: Regions,
    where: str,
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
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
    table : one row per unit, with the columns region, region_raw, region_source and reason. Its attribute ``labels``
        holds the labels before merging, ``absent_labels`` the labels of `settings.merge` that no unit has, and
        ``absent_mapping`` a message if the table `settings.mapping` names no unit.
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
    taken = sorted({label for label in region if SOURCE_NAME.fullmatch(label)})
    if taken:
        raise UserError.at(
            f"{where}: regions",
            found=f"a region called {taken[0]!r}, a name that the tables use for a source that is no region",
            expected="other names",
            todo=f"rename the region: regions: {{merge: {{'{taken[0]}': <region>}}}}",
        )
    unlabelled = [unit for unit, label in zip(unit_ids, region, strict=True) if not label]
    if unlabelled and settings.unknown == "stop":
        raise UserError.at(
            where,
            found=f"{len(unlabelled)} of {len(unit_ids)} units without a region label (unit {_some(unlabelled)})",
            expected="a label for every unit, because regions.unknown is stop",
            todo="add the units to the table regions.mapping, or set regions.unknown to drop or keep",
        )
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
    absent_labels = [label for label in merge if label not in present]
    table.attrs = {"labels": present, "absent_labels": absent_labels, "absent_mapping": absent_mapping}
    return table, row_notes + problems(origins) + disagreements(origins) + alike(region) + atlas.notes


def _merged_in_atlas(
    labels: Sequence[str], label_sources: Sequence[str], origins: Sequence[LabelOrigin], atlas: LabelReader
) -> list[str]:
    """Labels from a mapping or a name pattern of the user, merged in the atlas as the labels of the file were."""
    of_user = {origin.name for origin in origins if origin.rule in ("mapping", "name_pattern")}
    return [
        atlas.merged(label) if source in of_user else label for label, source in zip(labels, label_sources, strict=True)
    ]


def problems(origins: Sequence[LabelOrigin]) -> list[str]:
    """Return a sentence for each origin whose labels cannot be read."""
    return [f"No region label is taken from {origin.name}: {origin.problem}." for origin in origins if origin.problem]


def alike(labels: Sequence[str]) -> list[str]:
    """Return a sentence on labels that differ only in case, blanks or punctuation, and are probably one region."""
    spellings: dict[str, Counter[str]] = {}
    for label in labels:
        if label:
            spellings.setdefault(_spelling(label), Counter())[label] += 1
    notes = []
    for counts in spellings.values():
        if len(counts) > 1:
            (usual, _), *others = counts.most_common()
            listed = ", ".join(f"{label} ({count} units)" for label, count in counts.most_common())
            merge = ", ".join(f"{label}: {usual}" for label, _ in others)
            notes.append(
                f"Labels that differ only by case, blanks or punctuation are different regions: {listed}. If they are"
                f" one region, write regions: {{merge: {{{merge}}}}}."
            )
    return notes


def disagreements(origins: Sequence[LabelOrigin]) -> list[str]:
    """Return a sentence for each pair of origins that name different regions for the same units.

    Labels from a mapping or a name pattern of the user are not compared, because they are meant to replace the labels
    of the file.
    """
    of_file = [origin for origin in origins if origin.rule not in ("mapping", "name_pattern") and any(origin.labels)]
    notes = []
    for first, second in combinations(of_file, 2):
        pairs = [(a, b) for a, b in zip(first.labels, second.labels, strict=True) if a and b and a != b]
        if pairs:
            notes.append(
                f"{first.name} and {second.name} disagree for {len(pairs)} of {len(first.labels)} units"
                f" (e.g. {pairs[0][0]} and {pairs[0][1]}); regions.order and regions.unit_columns decide which is used."
            )
    return notes


def suggest_pattern(name: str) -> str:
    r"""Suggest a pattern for the last word of a name, ``group0_psb`` -> ``group\d+_(\w+)``.

    The pattern is '' for a name of a single word.
    """
    words = re.match(r"^(.*[_\-. ])([^\W\d_][^\W_]*)$", name)
    if words is None:
        return ""
    return re.sub(r"\d+", lambda _: r"\d+", re.sub(r"([.\-])", r"\\\1", words[1])) + r"(\w+)"


def no_label_message(
    unit_ids: Sequence[str],
    origins: Sequence[LabelOrigin],
    names: Mapping[str, Sequence[str]],
    where: str,
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Write the message for a file in which no unit has a region label: where labels were searched, and what to do.

    Parameters
    ----------
    unit_ids : (unit,) ids of the units.
    origins : the origins in which labels were searched.
    names : kind of name -> (unit,) names, in which the user may recognise regions.
    where : the recording.
    candidates : name of a column of strings that is not used for labels -> (unit,) strings.

    Returns
    -------
    The message.
    """
    searched = ", ".join(dict.fromkeys(origin.name for origin in origins))
    lines = [
        f"{where}: no region label anywhere: found {len(unit_ids)} units and no label"
        + (f" (empty: {searched})" if searched else " (the file holds no column or table of labels)")
        + ", expected a label for each unit.",
        *problems(origins),
        *candidate_lines(candidates or {}),
        "Write a table regions.tsv, with columns separated by tabs and a row for each unit:",
        "  unit_id\tregion",
        *(f"  {unit}\t<region>" for unit in unit_ids[:3]),
        *(["  ..."] if len(unit_ids) > 3 else []),
        "and name it in the config under defaults (or in recordings.tsv, column regions.mapping):",
        "  regions: {mapping: regions.tsv}",
    ]
    for kind, of_units in names.items():
        if different := list(dict.fromkeys(name for name in of_units if name)):
            pattern = next(filter(None, map(suggest_pattern, different)), "")
            lines.append(
                f"Not used as labels, because they are only names: {kind} {_some(different)}."
                + (f" If they hold the region, write regions: {{name_pattern: '{pattern}'}}" if pattern else "")
            )
    lines.append("Or fit all units as one region `unknown`: regions: {unknown: keep}")
    return "\n".join(lines)


def absent_labels_message(where: str, absent: Sequence[str], present: Sequence[str], owner: str) -> str:
    """Write the message about labels in ``regions.merge`` that no unit has, with similar labels as suggestions.

    Parameters
    ----------
    where : the recording or the config.
    absent : labels in ``regions.merge`` that no unit has.
    present : the labels of the units.
    owner : whose labels these are, ``the recording`` or ``any recording``.

    Returns
    -------
    The message.
    """
    hints = [f"{label!r}: {hint}" for label in absent if (hint := did_you_mean(label, present))]
    return mistake(
        f"{where}: regions.merge",
        found=f"unknown region {', '.join(map(repr, absent))}",
        expected=f"regions of {owner} ({', '.join(present)})",
        todo=hints[0].partition(": ")[2] if len(absent) == 1 and hints else "; ".join(hints),
    )


def candidate_lines(candidates: Mapping[str, Sequence[str]]) -> list[str]:
    """List the columns of strings that could hold region labels, each with the key of the config that uses it.

    Parameters
    ----------
    candidates : name of a column, such as ``units.area`` -> (unit,) strings. A name with the prefix ``hdf5:`` is a
        dataset.

    Returns
    -------
    Lines of text.
    """
    ranked = sorted(
        (name for name, texts in candidates.items() if any(map(region_label, texts))),
        key=lambda name: (not any(word in name.casefold() for word in REGION_WORDS), len(set(candidates[name])), name),
    )
    if not ranked:
        return []
    listed = []
    for name in ranked[:MAX_CANDIDATES]:
        counts = Counter(text for text in candidates[name] if text)
        values = ", ".join(f"{' '.join(text.split())[:40]} ({count})" for text, count in counts.most_common(4))
        listed.append(f"  {name}: {values}" + (", ..." if len(counts) > 4 else ""))
    best = ranked[0]
    key = f"hdf5: {{region: {best.removeprefix('hdf5:')}}}"
    if not best.startswith("hdf5:"):
        key = f"regions: {{unit_columns: [{best.rsplit('.', 1)[-1]}]}}"
    return ["Other columns of texts:", *listed, f"If one of them holds the region, name it, as in {key}"]


def absent_labels_are_a_mistake(merge: dict[str, str] | str, absent: Sequence[str], present: Sequence[str]) -> bool:
    """Decide whether labels in ``regions.merge`` that no unit has are a mistake rather than worth a remark.

    Every label that is written in the config is meant for a recording of the run, so that an absent label is a mistake.
    A table may cover a whole atlas. Its absent labels are a mistake if no unit has any label of the table, or if an
    absent label is another spelling (case, blanks, punctuation) of a label of the units for which the table has no row.

    Parameters
    ----------
    merge : the setting, labels or the path of a table.
    absent : labels that no unit has.
    present : the labels of the units.

    Returns
    -------
    True if the labels are a mistake.
    """
    if not absent or not isinstance(merge, str):
        return bool(absent)
    labels = read_merge(merge)
    unmerged = {_spelling(label) for label in present if label not in labels}
    return len(absent) == len(labels) or any(_spelling(label) in unmerged for label in absent)


def _spelling(label: str) -> str:
    """The letters and digits of a label, without case; the label itself if it has none."""
    return re.sub(r"[\W_]+", "", label.casefold()) or label


def read_tsv(path: str, field: str, columns: str) -> pd.DataFrame:
    """Read a TSV that the settings name, all cells as text.

    Raises
    ------
    UserError : the file does not exist, or cannot be read as a TSV.
    """
    expected = f"a TSV with the columns {columns}"
    if not Path(path).is_file():
        raise UserError.at(field, found=f"{path}, which is not a file", expected=expected, todo="check the path")
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, comment=None)
    except (OSError, ValueError) as error:
        # Empty, lines of different lengths, or not UTF-8.
        raise UserError.at(field, found=f"{path} ({str(error).strip()})", expected=f"{expected}, in UTF-8") from None
    table.columns = [as_text(column) for column in table.columns]
    return table.map(as_text)


def _some(values: Sequence[str], limit: int = 5) -> str:
    return ", ".join(values[:limit]) + (", ..." if len(values) > limit else "")
