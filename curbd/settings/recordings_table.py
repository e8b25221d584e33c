"""The table of recordings, recordings.tsv: one recording file per row, with settings for this recording alone."""

from __future__ import annotations

import copy
import csv
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from curbd.errors import UserError, did_you_mean, mistake
from curbd.settings.config import Defaults
from curbd.settings.places import REMOTE, is_remote, location
from curbd.settings.section import NAME, RESERVED_NAMES, Section
from curbd.settings.validation import annotation_at, check, dotted, takes_text
from curbd.storage.zarr_folders import is_zarr

Format = Literal["nwb", "hdf5"]
REQUIRED_COLUMNS = ("recording", "path", "format")
FORMATS = ("nwb", "hdf5")
RELATIVE_PATHS = "relative paths are resolved from the folder of this table"
"""What to know about a path that leads to no file."""
SPREADSHEET_ERROR = r"#(NAME\?|REF!|VALUE!|N/A|DIV/0!|NUM!|NULL!|#+)"
"""Pattern of cells that spreadsheet programs write where a formula fails or a number is wider than its column."""
TABLE_SETTINGS = (("regions", "mapping"), ("regions", "merge"), ("cell_types", "table"))
"""Settings that may be the path of a table; in recordings.tsv these paths are resolved relative to the folder of
recordings.tsv."""


@dataclass(frozen=True)
class Recording:
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
) -> tuple[dict[str, Recording], list[str]]:
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
    where = f"{config_file}, recordings"
    try:
        content = table.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        todo = "relative paths are resolved from the folder of the config, or else from the working directory"
        return {}, [mistake(where, found=f'"{table}" (no such file)', expected="a TSV of recordings", todo=todo)]
    except OSError as error:
        found = f'"{table}", a folder' if table.is_dir() else f'"{table}" ({error})'
        return {}, [mistake(where, found=found, expected="a TSV of recordings")]
    except UnicodeDecodeError:
        lines = []
    if not lines or "\0" in lines[0]:
        found, todo = _kind_of_table(content)
        return {}, [mistake(where, found=f'"{table}", {found}', expected="a TSV of recordings in UTF-8", todo=todo)]
    rows = [
        (line, [cell.strip() for cell in next(csv.reader([text], delimiter="\t"))])
        for line, text in enumerate(lines, start=1)
        if text.strip() and not text.lstrip().startswith("#")
    ]
    if len(rows) < 2:
        return {}, [mistake(str(table), found="no recordings", expected="a header line and a line for each recording")]
    rows = _without_empty_columns(rows)
    header = rows[0][1]
    wrong = _header_mistakes(f"{table}, line {rows[0][0]}", header)
    if wrong:
        return {}, wrong
    recordings: dict[str, Recording] = {}
    first_line: dict[str, int] = {}
    for line, cells in rows[1:]:
        where = f"{table}, line {line}"
        if len(cells) > len(header):
            wrong.append(mistake(where, found=f"{len(cells)} cells", expected=f"{len(header)}, as in the header"))
            continue
        row = dict(zip_longest(header, cells, fillvalue=""))
        name = row["recording"]
        wrong += [
            mistake(f"{where}, {column}", found=cell, expected="a value, not an error of a spreadsheet program")
            for column, cell in row.items()
            if re.fullmatch(SPREADSHEET_ERROR, cell)
        ]
        wrong += _row_mistakes(where, row, table.parent, generated)
        if name in first_line:
            found = f'"{name}", as in line {first_line[name]}'
            wrong.append(mistake(f"{where}, recording", found=found, expected="a name that no other line has"))
        alike = [before for before in first_line if before != name and before.casefold() == name.casefold()]
        if alike:
            found = f'"{name}", which differs from {alike[0]} in line {first_line[alike[0]]} by case only'
            expected = "names that are different folders on every computer"
            wrong.append(mistake(f"{where}, recording", found=found, expected=expected))
        first_line.setdefault(name, line)
        settings, more = _row_settings(where, row, table.parent, defaults)
        wrong += more
        if settings is not None:
            path = _plain(_beside(table.parent, row["path"]), generated)
            recordings[name] = Recording(name, path, cast(Format, row["format"]), settings)
    return recordings, wrong


def _kind_of_table(content: bytes) -> tuple[str, str]:
    """What a file is that holds no lines of UTF-8, and what to do."""
    if not content.strip():
        return "an empty file", "write a header line and a line for each recording; `curbd inspect FILE` prints both"
    if content.startswith(b"\x89HDF"):
        todo = "write a table with a line for this file; `curbd inspect FILE` prints the header and the line"
        return "an HDF5 or NWB file", todo
    if content.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        return "a workbook of a spreadsheet program", "save the sheet as text with tabs between the columns"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text in UTF-16", "save the table as UTF-8"
    return "text in another encoding or no text", "save the table as UTF-8, with tabs between the columns"


def _without_empty_columns(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Rows without the columns that have neither a name nor a cell, as spreadsheets write them."""
    width = max(len(cells) for _, cells in rows)
    padded = [(line, cells + [""] * (width - len(cells))) for line, cells in rows]
    used = [column for column in range(width) if any(cells[column] for _, cells in padded)]
    return [(line, [cells[column] for column in used]) for line, cells in padded]


def _beside(folder: Path, cell: str) -> Path:
    """The file that a cell names: an address, or a path from the folder of the table; `~` is the home folder."""
    return location(cell) if REMOTE in cell else folder / Path(cell).expanduser()


def _plain(path: Path, generated: Collection[str]) -> Path:
    """The path without `..`, unless a symbolic link in the path would make the shorter path another file."""
    if is_remote(path):
        return path
    plain = Path(os.path.normpath(path))
    is_same_file = str(plain) in generated or (plain.exists() and path.exists() and plain.samefile(path))
    return plain if is_same_file else path


def _header_mistakes(where: str, header: list[str]) -> list[str]:
    missing = [column for column in REQUIRED_COLUMNS if column not in header]
    if missing:
        todo = "separate the columns by tabs" if len(header) == 1 else ""
        if written := [column for column in header if column.casefold() in missing and column not in missing]:
            todo = f"write {', '.join(column.casefold() for column in written)} instead of {', '.join(written)}"
        return [
            mistake(where, found=f"no column {', '.join(missing)}", expected=", ".join(REQUIRED_COLUMNS), todo=todo)
        ]
    wrong = [
        mistake(f"{where}, {column}", found="more than one column of this name", expected="each column only once")
        for column in sorted({column for column in header if column and header.count(column) > 1})
    ]
    columns = [*REQUIRED_COLUMNS, *_setting_names(Defaults)]
    for index, column in enumerate(header, start=1):
        if not column:
            expected = "a name in the header of every column that has cells"
            wrong.append(mistake(where, found=f"a blank header in column {index}", expected=expected))
            continue
        if column not in REQUIRED_COLUMNS and annotation_at(Defaults, tuple(column.split("."))) is None:
            todo = did_you_mean(column, columns) or f"the keys are {', '.join(Defaults.model_fields)}"
            expected = "a key of `defaults`, nested keys written with dots"
            wrong.append(mistake(f"{where}, {column}", found="an unknown column", expected=expected, todo=todo))
    return wrong


def _row_mistakes(where: str, row: Mapping[str, str], folder: Path, generated: Collection[str]) -> list[str]:
    wrong = []
    name, path, kind = row["recording"], row["path"], row["format"]
    if not re.fullmatch(NAME, name) or name in RESERVED_NAMES:
        expected = "letters, digits, `_`, `.`, `+` and `-`, beginning with a letter, a digit or `_`"
        if name in RESERVED_NAMES:
            expected = f"a name other than {', '.join(RESERVED_NAMES)}, which are folders of the results"
        wrong.append(mistake(f"{where}, recording", found=f'"{name}"', expected=expected))
    if REMOTE in path:
        wrong += _address_mistakes(f"{where}, path", path)
    elif is_zarr(_beside(folder, path)):
        if kind != "nwb":
            expected = "nwb, because Zarr folders are read as NWB only"
            wrong.append(mistake(f"{where}, format", found=kind or "nothing", expected=expected))
    elif not _beside(folder, path).is_file() and os.path.normpath(_beside(folder, path)) not in generated:
        found = f'"{path}" (no such file)' if path else "nothing"
        todo = _advice_on_path(_beside(folder, path)) if path else RELATIVE_PATHS
        if path and _beside(folder, path).is_dir():
            about = folder_mistake(_beside(folder, path))
            found, todo = f'"{path}", {about["found"]}', about["todo"]
        wrong.append(mistake(f"{where}, path", found=found, expected="the path of an NWB or HDF5 file", todo=todo))
    if path and set(str(_beside(folder, path))) & set("{}"):
        expected = "a path without braces, which Snakemake takes for wildcards"
        todo = "rename the file, or make a link to it"
        wrong.append(mistake(f"{where}, path", found=f'"{_beside(folder, path)}"', expected=expected, todo=todo))
    if kind not in FORMATS:
        todo = did_you_mean(kind.lower(), FORMATS) or "write nwb for NWB files, hdf5 for all other HDF5 files"
        found = f'"{kind}"' if kind else "nothing"
        wrong.append(mistake(f"{where}, format", found=found, expected=" or ".join(FORMATS), todo=todo))
    return wrong


def _advice_on_path(path: Path) -> str:
    """What to do about a file that does not exist: the nearest name in its folder, or a line for each file."""
    if set(path.name) & set("*?") or "$" in str(path):
        return "write a line for each file with its whole name: patterns and variables are not replaced"
    if "\\" in str(path):
        return "write / between folders; inside WSL, the drive C: of Windows is /mnt/c"
    if path.is_symlink():
        return f"the path is a link to {path.readlink()}, which does not exist"
    names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    return "; ".join(filter(None, [RELATIVE_PATHS, did_you_mean(path.name, names)]))


def _address_mistakes(where: str, address: str) -> list[str]:
    """Mistakes of the address of a file on a server; whether the file is there is asked when it is opened."""
    try:
        location(address)
    except UserError as error:
        return [f"{where}: {error}"]
    return []


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
            value = str(_beside(folder, cell)) if path in TABLE_SETTINGS else cell
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


def folder_mistake(folder: Path) -> dict[str, str]:
    """Describe the mistake of a folder in place of a file or of a Zarr group: found, expected and todo."""
    if folder.suffix == ".zarr" or (folder / "zarr.json").exists():
        todo = "convert it to an HDF5 file, with NWBHDF5IO.export of pynwb and NWBZarrIO of hdmf-zarr"
        return {
            "found": "a Zarr folder without .zgroup, such as one of Zarr's format 3",
            "expected": "NWB in Zarr of format 2, or an NWB or HDF5 file",
            "todo": todo,
        }
    return {"found": "a folder", "expected": "an NWB or HDF5 file", "todo": "name the file inside it"}


def missing_tables(
    settings: Defaults, where: str, keys: Collection[str] = ("regions.mapping", "regions.merge", "cell_types.table")
) -> list[str]:
    """Report tables of region labels and cell types that do not exist.

    Parameters
    ----------
    settings : settings that may name tables.
    where : the config or the line of recordings.tsv, for messages.
    keys : names of the settings that are checked.

    Returns
    -------
    One line per missing table.
    """
    regions = settings.regions
    tables = {
        "regions.mapping": regions.mapping,
        "regions.merge": regions.merge,
        "cell_types.table": settings.cell_types.table,
    }
    return [
        mistake(f"{where}, {key}", found=f'"{text}" (no such file)', expected="the path of a TSV")
        for key, text in tables.items()
        if key in keys and isinstance(text, str) and not Path(text).is_file()
    ]


def _setting_names(section: type[Section], prefix: str = "") -> Iterator[str]:
    """Every key of a section; keys of nested sections are written with dots."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _setting_names(field.annotation, f"{prefix}{name}.")
