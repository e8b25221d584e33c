"""Messages on region labels: labels that are alike, differ or are missing, and where else labels could be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from curbd.errors import did_you_mean, mistake
from curbd.recording.cells import region_label
from curbd.recording.label_origin import LabelOrigin
from curbd.recording.region_tables import first_of, read_merge

REGION_WORDS = ("acronym", "region", "area", "location", "structure", "ccf", "allen", "brain", "anatom", "label")
"""Words in the names of columns that probably hold region labels."""
MAX_CANDIDATES = 6
"""Up to this number of columns that could hold region labels are listed."""


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
                f"Not used as labels, because they are only names: {kind} {first_of(different)}."
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
