"""The lines that a check of a run prints."""

from __future__ import annotations

import re
from collections.abc import Iterable

from curbd.commands.run_check import RunCheck


def together(lines: Iterable[str]) -> list[str]:
    """Merge lines that are equal except for the recording into one line that names the recordings.

    Parameters
    ----------
    lines : lines that may begin with ``<recording> (<path>): ``.

    Returns
    -------
    The merged lines.
    """
    owners: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        parts = re.match(r"(\S+) \((.*?)\): (.*)", line, re.DOTALL)
        owners.setdefault(parts[3] if parts else line, []).append(f"{parts[1]} ({parts[2]})" if parts else "")
    merged = []
    for text, names in owners.items():
        short = [name.split(" ")[0] for name in names]
        owner = names[0] if len(names) == 1 else ", ".join(short[:5])
        if len(names) > 5:
            owner += f" and {len(names) - 5} more"
        merged.append(f"{owner}: {text}" if owner else text)
    return merged


def report_lines(check: RunCheck, n_recordings: int) -> list[str]:
    """Write the lines that `curbd check` prints: mistakes, remarks, and a summary in the last line.

    Parameters
    ----------
    check : mistakes and remarks.
    n_recordings : number of recordings of the run.
    """
    lines = together(check.mistakes)
    if check.remarks:
        lines += ["Look at these:", *(f"  {remark}" for remark in together(check.remarks))]
    n_mistakes = len(check.mistakes)
    mistakes = f"{n_mistakes} mistake{'s' * (n_mistakes != 1)}" if n_mistakes else "no mistake"
    opened = f"Checked the config and {len(check.of_recording)} of {n_recordings} recordings: {mistakes}."
    return [*lines, opened]
