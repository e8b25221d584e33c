"""A place in a file, or a table of the user, that could hold the region label of each unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from curbd.recording.cells import as_text, region_label
from curbd.settings.recording import RegionRule


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
