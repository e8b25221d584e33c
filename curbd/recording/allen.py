"""Parents of the regions of the Allen mouse atlas (CCF), from the tables that the package `iblatlas` ships."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.errors import UserError, did_you_mean

HEMISPHERES = {
    **dict.fromkeys(("left", "l", "lh"), "left"),
    **dict.fromkeys(("right", "r", "rh"), "right"),
}
"""Words and letters of the hemispheres."""
BEFORE = re.compile(r"^(left|right|lh|rh|l|r)[\s_.:\-]+(\S.*)$", re.IGNORECASE)
AFTER = re.compile(r"^(.*\S)(?:[\s_.,:\-]+|\s*\()(left|right|lh|rh|l|r)\)?$", re.IGNORECASE)
LAYER = re.compile(r"^(.+?)[\s_,\-]*(?:layers?|L)?[\s_]*(?:1|2/3|2_3|2|3|4|5|6[ab]?)$", re.IGNORECASE)


class AllenTree(NamedTuple):
    """The structure tree of the Allen mouse atlas.

    Attributes
    ----------
    name_of_id : id of a structure -> acronym.
    id_of_text : acronym, full name or id, as a string in lower case -> id of the structure. If an acronym of one
        structure is the name of another one, it gives the structure with this acronym.
    id_of_acronym : acronym in its exact spelling -> id of the structure.
    ancestors : id of a structure -> ids from the root to the structure.
    levels : name of a mapping (``beryl``, ``cosmos``) -> ids of the structures to which it maps.
    """

    name_of_id: dict[int, str]
    id_of_text: dict[str, int]
    id_of_acronym: dict[str, int]
    ancestors: dict[int, tuple[int, ...]]
    levels: dict[str, frozenset[int]]


@cache
def allen_tree() -> AllenTree:
    """Read the structure tree and the mappings that come with the package `iblatlas`, without importing the package.

    Raises
    ------
    UserError : the package is not installed.
    """
    package = find_spec("iblatlas")
    places = [] if package is None else list(package.submodule_search_locations or [])
    if not places:
        raise UserError.at(
            "regions.atlas",
            found="allen_ccf, without the package iblatlas",
            expected="iblatlas, whose tables hold the tree of the atlas",
            todo="pip install 'curbd-workflow[atlas]'",
        )
    folder = Path(places[0])
    table = pd.read_csv(folder / "allen_structure_tree.csv", keep_default_na=False, dtype=str)
    ids = [int(text) for text in table["id"]]
    texts = {str(number): number for number in ids}
    texts |= {str(name).casefold(): number for number, name in zip(ids, table["name"], strict=True)}
    texts |= {str(name).casefold(): number for number, name in zip(ids, table["acronym"], strict=True)}
    paths = zip(ids, table["structure_id_path"], strict=True)
    return AllenTree(
        name_of_id=dict(zip(ids, table["acronym"], strict=True)),
        id_of_text=texts,
        id_of_acronym=dict(zip(table["acronym"], ids, strict=True)),
        ancestors={number: tuple(int(part) for part in path.split("/") if part) for number, path in paths},
        levels={
            name: frozenset(np.abs(np.load(folder / f"{name}.npy")).astype(int).ravel().tolist())
            for name in ("beryl", "cosmos")
        },
    )


def allen_parents(level: str, hemispheres: bool) -> Callable[[str], str | None]:
    """Construct a function that maps a region label to its parent structure in the Allen mouse atlas.

    The function takes acronyms, full names and ids of structures. Labels may have a hemisphere as a prefix or suffix
    (``left CA1``, ``CA1-R``; negative ids mean the left hemisphere) and may name a layer. The function returns None for
    a label that is not in the atlas. With ``beryl`` or ``cosmos``, structures that the mapping does not cover (such as
    the root or a ventricle) give an empty string. With an acronym as the level, a structure that is not part of that
    structure gives its own acronym.

    Parameters
    ----------
    level : ``beryl``, ``cosmos``, or the acronym of a structure into which all its substructures are merged.
    hemispheres : True keeps the hemispheres apart, as in ``CA1 left``.

    Returns
    -------
    A function: label -> label of the parent, '' or None.

    Raises
    ------
    UserError : the package `iblatlas` is not installed, or no structure has this acronym.
    """
    tree = allen_tree()
    wanted = tree.levels.get(level.casefold())
    if wanted is None:
        number = tree.id_of_acronym.get(level, tree.id_of_text.get(level.casefold()))
        if number is None:
            raise UserError.at(
                "regions.level",
                found=repr(level),
                expected="beryl, cosmos or an acronym of the Allen mouse atlas",
                todo=did_you_mean(level, [*tree.levels, *tree.id_of_acronym]),
            )
        wanted = frozenset({number})
    keeps_others = level.casefold() not in tree.levels

    def parent(label: str) -> str | None:
        number, side = structure_of(label)
        if number is None:
            return None
        above = [ancestor for ancestor in tree.ancestors[number] if ancestor in wanted and ancestor not in (0, 997)]
        if not above and not keeps_others:
            return ""
        name = tree.name_of_id[above[-1] if above else number]
        return f"{name} {side}" if hemispheres and side else name

    return parent


def structure_of(label: str) -> tuple[int | None, str]:
    """Return the id of the structure that a label names and its hemisphere (``left``, ``right`` or '').

    The id is None if the label names no structure of the atlas.
    """
    if (number := _id_of(label)) is not None:
        return number, ""
    if re.fullmatch(r"-\d+", label) and (number := _id_of(label[1:])) is not None:
        return number, "left"
    for pattern, side_group in ((BEFORE, 1), (AFTER, 2)):
        if match := pattern.match(label):
            number = _id_of(match.group(3 - side_group))
            if number is not None:
                return number, HEMISPHERES[match.group(side_group).casefold()]
    if (match := LAYER.match(label)) and (number := _id_of(match.group(1))) is not None:
        return number, ""
    for pattern, side_group in ((BEFORE, 1), (AFTER, 2)):
        if (match := pattern.match(label)) and (layer := LAYER.match(match.group(3 - side_group).strip())):
            number = _id_of(layer.group(1))
            if number is not None:
                return number, HEMISPHERES[match.group(side_group).casefold()]
    return None, ""


def _id_of(text: str) -> int | None:
    tree = allen_tree()
    text = text.strip()
    return tree.id_of_acronym.get(text, tree.id_of_text.get(text.casefold()))
