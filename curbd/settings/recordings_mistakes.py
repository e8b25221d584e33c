"""What can be wrong with recordings.tsv: its header, its rows, and the files that they name."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from curbd.errors import UserError, did_you_mean, mistake
from curbd.settings.config import Defaults
from curbd.settings.places import REMOTE, beside, location
from curbd.settings.section import NAME, RESERVED_NAMES, Section
from curbd.settings.validation import annotation_at
from curbd.storage.zarr_folders import is_zarr

REQUIRED_COLUMNS = ("recording", "path", "format")
FORMATS = ("nwb", "hdf5")
RELATIVE_PATHS = "relative paths are resolved from the folder of this table"
"""What to know about a path that leads to no file."""
SPREADSHEET_ERROR = r"#(NAME\?|REF!|VALUE!|N/A|DIV/0!|NUM!|NULL!|#+)"
"""Pattern of cells that spreadsheet programs write where a formula fails or a number is wider than its column."""


def header_mistakes(where: str, header: list[str]) -> list[str]:
    """Return what is wrong with the names of the columns.

    Parameters
    ----------
    where : the line, for messages.
    header : names of the columns.

    Returns
    -------
    The mistakes, one line each.
    """
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


def row_mistakes(where: str, row: Mapping[str, str], folder: Path, generated: Collection[str]) -> list[str]:
    """Return what is wrong with the name, the path and the format of a recording, and with cells of spreadsheets.

    Parameters
    ----------
    where : the line, for messages.
    row : column -> cell.
    folder : folder of the table.
    generated : paths of files that the workflow itself writes and that may not exist yet.

    Returns
    -------
    The mistakes, one line each.
    """
    wrong = [
        mistake(f"{where}, {column}", found=cell, expected="a value, not an error of a spreadsheet program")
        for column, cell in row.items()
        if re.fullmatch(SPREADSHEET_ERROR, cell)
    ]
    name, path, kind = row["recording"], row["path"], row["format"]
    if not re.fullmatch(NAME, name) or name in RESERVED_NAMES:
        expected = "letters, digits, `_`, `.`, `+` and `-`, beginning with a letter, a digit or `_`"
        if name in RESERVED_NAMES:
            expected = f"a name other than {', '.join(RESERVED_NAMES)}, which are folders of the results"
        wrong.append(mistake(f"{where}, recording", found=f'"{name}"', expected=expected))
    if REMOTE in path:
        wrong += _address_mistakes(f"{where}, path", path)
    elif is_zarr(beside(folder, path)):
        if kind != "nwb":
            expected = "nwb, because Zarr folders are read as NWB only"
            wrong.append(mistake(f"{where}, format", found=kind or "nothing", expected=expected))
    elif not beside(folder, path).is_file() and os.path.normpath(beside(folder, path)) not in generated:
        found = f'"{path}" (no such file)' if path else "nothing"
        todo = _advice_on_path(beside(folder, path)) if path else RELATIVE_PATHS
        if path and beside(folder, path).is_dir():
            about = folder_mistake(beside(folder, path))
            found, todo = f'"{path}", {about["found"]}', about["todo"]
        wrong.append(mistake(f"{where}, path", found=found, expected="the path of an NWB or HDF5 file", todo=todo))
    if path and set(str(beside(folder, path))) & set("{}"):
        expected = "a path without braces, which Snakemake takes for wildcards"
        todo = "rename the file, or make a link to it"
        wrong.append(mistake(f"{where}, path", found=f'"{beside(folder, path)}"', expected=expected, todo=todo))
    if kind not in FORMATS:
        todo = did_you_mean(kind.lower(), FORMATS) or "write nwb for NWB files, hdf5 for all other HDF5 files"
        found = f'"{kind}"' if kind else "nothing"
        wrong.append(mistake(f"{where}, format", found=found, expected=" or ".join(FORMATS), todo=todo))
    return wrong


def repeated_name(where: str, name: str, first_line: Mapping[str, int]) -> list[str]:
    """Return what is wrong with the name of a recording beside those of earlier lines.

    Parameters
    ----------
    where : the line, for messages.
    name : name of the recording.
    first_line : name of an earlier recording -> the first line with this name.

    Returns
    -------
    The mistakes, one line each.
    """
    wrong = []
    if name in first_line:
        found = f'"{name}", as in line {first_line[name]}'
        wrong.append(mistake(f"{where}, recording", found=found, expected="a name that no other line has"))
    alike = [before for before in first_line if before != name and before.casefold() == name.casefold()]
    if alike:
        found = f'"{name}", which differs from {alike[0]} in line {first_line[alike[0]]} by case only'
        expected = "names that are different folders on every computer"
        wrong.append(mistake(f"{where}, recording", found=found, expected=expected))
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
