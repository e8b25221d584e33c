"""The lines of recordings.tsv as cells, before anything is known about their meaning."""

from __future__ import annotations

import csv
from pathlib import Path

from curbd.errors import mistake

Row = tuple[int, list[str]]
"""Number of a line, from 1, and its cells."""


def read_rows(table: Path, where: str) -> tuple[list[Row], list[str]]:
    """Read the lines of a table that are neither blank nor comments.

    Parameters
    ----------
    table : path of the table.
    where : the key of the config that names the table, for messages.

    Returns
    -------
    The header and at least one more line, without empty columns; or no line, and what is wrong with the file, one line
    each.
    """
    try:
        content = table.read_bytes()
        lines = content.decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        todo = "relative paths are resolved from the folder of the config, or else from the working directory"
        return [], [mistake(where, found=f'"{table}" (no such file)', expected="a TSV of recordings", todo=todo)]
    except OSError as error:
        found = f'"{table}", a folder' if table.is_dir() else f'"{table}" ({error})'
        return [], [mistake(where, found=found, expected="a TSV of recordings")]
    except UnicodeDecodeError:
        lines = []
    if not lines or "\0" in lines[0]:
        found, todo = _kind_of_table(content)
        return [], [mistake(where, found=f'"{table}", {found}', expected="a TSV of recordings in UTF-8", todo=todo)]
    rows = [
        (line, [cell.strip() for cell in next(csv.reader([text], delimiter="\t"))])
        for line, text in enumerate(lines, start=1)
        if text.strip() and not text.lstrip().startswith("#")
    ]
    if len(rows) < 2:
        return [], [mistake(str(table), found="no recordings", expected="a header line and a line for each recording")]
    return _without_empty_columns(rows), []


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


def _without_empty_columns(rows: list[Row]) -> list[Row]:
    """Rows without the columns that have neither a name nor a cell, as spreadsheets write them."""
    width = max(len(cells) for _, cells in rows)
    padded = [(line, cells + [""] * (width - len(cells))) for line, cells in rows]
    used = [column for column in range(width) if any(cells[column] for _, cells in padded)]
    return [(line, [cells[column] for column in used]) for line, cells in padded]
