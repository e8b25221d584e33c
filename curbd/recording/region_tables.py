"""Tables of the user with the regions of units, or with other names of region labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from curbd.errors import UserError, mistake
from curbd.recording.cells import as_text, region_label
from curbd.recording.label_origin import LabelOrigin, label_origin, majority

MAX_VALUES_LISTED = 5
"""Longer lists of ids or labels are cut here."""


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
            path, found=f"{key} {first_of(repeated.tolist())} in more than one row", expected=f"one row for each {key}"
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
        found=f"no label for any unit of the recording (the table has {key} {first_of(list(labels))})",
        expected=f"{key} of the recording, such as {first_of(known_ids)}"
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
        f"{path}: {len(absent)} of {n_rows} rows name no unit of the recording ({key} {first_of(list(absent))}): if the"
        " table counts from 1 and the file from 0, all labels are those of the preceding unit."
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


def first_of(values: Sequence[str]) -> str:
    """Write the first `MAX_VALUES_LISTED` of some values one after another, with an ellipsis if there are more."""
    return ", ".join(values[:MAX_VALUES_LISTED]) + (", ..." if len(values) > MAX_VALUES_LISTED else "")
