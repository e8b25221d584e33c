"""The table of recordings, recordings.tsv: one recording file per row, with settings for this recording alone."""

from __future__ import annotations

import copy
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from curbd.errors import mistake
from curbd.settings.config import Defaults
from curbd.settings.places import beside, is_remote
from curbd.settings.recordings_mistakes import (
    REQUIRED_COLUMNS,
    header_mistakes,
    missing_tables,
    repeated_name,
    row_mistakes,
)
from curbd.settings.recordings_rows import read_rows
from curbd.settings.validation import annotation_at, check, dotted, takes_text

Format = Literal["nwb", "hdf5"]
TABLE_SETTINGS = (("regions", "mapping"), ("regions", "merge"), ("cell_types", "table"))
"""Settings that may be the path of a table; in recordings.tsv these paths are resolved relative to the folder of
recordings.tsv."""


@dataclass(frozen=True)
class RecordingRow:
    """One row of recordings.tsv.

    Attributes
    ----------
    name : name of the recording.
    path : path of the recording file, or its address on a server.
    format : ``nwb`` or ``hdf5``.
    settings : the section `defaults` of the config, with keys replaced by the additional cells of the row.
    """

    name: str
    path: Path
    format: Format
    settings: Defaults

    def tables(self) -> list[str]:
        """Return the paths of the tables of region labels and cell types that the settings name."""
        paths = (self.settings.regions.mapping, self.settings.regions.merge, self.settings.cell_types.table)
        return [path for path in paths if isinstance(path, str)]


def read_recordings(
    table: Path, config_file: str, defaults: Mapping[str, Any], generated: Collection[str]
) -> tuple[dict[str, RecordingRow], list[str]]:
    """Read recordings.tsv, and collect all mistakes in it.

    Parameters
    ----------
    table : path of recordings.tsv; relative paths in the table are resolved relative to its folder.
    config_file : name of the config, for messages.
    defaults : the section `defaults` of the config; the cells of a row replace its keys.
    generated : paths of files that the workflow itself writes and that may not exist yet.

    Returns
    -------
    Name of the recording -> row; and every mistake, one line each.
    """
    rows, wrong = read_rows(table, f"{config_file}, recordings")
    if wrong:
        return {}, wrong
    (header_line, header), *lines = rows
    wrong = header_mistakes(f"{table}, line {header_line}", header)
    if wrong:
        return {}, wrong
    recordings: dict[str, RecordingRow] = {}
    first_line: dict[str, int] = {}
    for line, cells in lines:
        where = f"{table}, line {line}"
        if len(cells) > len(header):
            wrong.append(mistake(where, found=f"{len(cells)} cells", expected=f"{len(header)}, as in the header"))
            continue
        row = dict(zip_longest(header, cells, fillvalue=""))
        name = row["recording"]
        wrong += row_mistakes(where, row, table.parent, generated)
        wrong += repeated_name(where, name, first_line)
        first_line.setdefault(name, line)
        settings, more = _row_settings(where, row, table.parent, defaults)
        wrong += more
        if settings is not None:
            path = _plain(beside(table.parent, row["path"]), generated)
            recordings[name] = RecordingRow(name, path, cast(Format, row["format"]), settings)
    return recordings, wrong


def _plain(path: Path, generated: Collection[str]) -> Path:
    """The path without `..`, unless a symbolic link in the path would make the shorter path another file."""
    if is_remote(path):
        return path
    plain = Path(os.path.normpath(path))
    is_same_file = str(plain) in generated or (plain.exists() and path.exists() and plain.samefile(path))
    return plain if is_same_file else path


def _row_settings(
    where: str, row: Mapping[str, str], folder: Path, defaults: Mapping[str, Any]
) -> tuple[Defaults | None, list[str]]:
    """The settings of a row, or None, and every mistake. A cell replaces a default; an empty cell leaves the
    default."""
    data = copy.deepcopy(dict(defaults))
    clashes = []
    for column, cell in row.items():
        if column in REQUIRED_COLUMNS or not cell:
            continue
        *sections, key = path = tuple(column.split("."))
        try:
            value = yaml.safe_load(cell)
        except yaml.YAMLError:
            value = cell
        # YAML would read texts such as 007 or yes as a number and a truth value.
        if takes_text(annotation_at(Defaults, path)) and not isinstance(value, (dict, list)) and value is not None:
            value = str(beside(folder, cell)) if path in TABLE_SETTINGS else cell
        section = data
        for depth, name in enumerate(sections, start=1):
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                above = ".".join(sections[:depth])
                found = f"also the column {above}"
                clashes.append(
                    mistake(f"{where}, {column}", found=found, expected=f"either {above} or its keys, not both")
                )
                break
        else:
            section[key] = value

    def where_of(path: tuple[str | int, ...]) -> str:
        # The longest column that the path lies under. Without such a column the key is that of the config.
        columns = [column for column in row if f"{dotted(path)}.".startswith(f"{column}.")]
        return f"{where}, {max(columns, key=len, default=dotted(path))}"

    settings, wrong = check(Defaults, data, where_of)
    return settings, clashes + wrong + (missing_tables(settings, where, row) if settings else [])
