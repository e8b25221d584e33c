"""Conversion of strings in a file to region labels: JSON, a pattern of the user, acronyms of the Allen mouse atlas."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from curbd.errors import UserError
from curbd.recording.allen import allen_parents
from curbd.recording.cells import as_text, region_label
from curbd.settings.recording import Regions

JSON_KEYS = (
    *("brain_regions", "brain_region", "brain_area", "region", "area", "acronym", "structure", "location", "name"),
)
"""Keys of a JSON object that may hold the region, tried in this order."""


class LabelReader:
    """Reads a region label from a cell of the file, with the settings in ``regions``.

    Attributes
    ----------
    seen : string in the file -> the label that was read from it, for all strings so far.
    """

    def __init__(self, settings: Regions) -> None:
        self._pattern = compiled(settings.pattern, "regions.pattern") if settings.pattern is not None else None
        self._parent = None if settings.atlas is None else allen_parents(settings.level, settings.hemispheres)
        self._matched: set[str] = set()
        self._not_in_atlas: set[str] = set()
        self._without_parent: set[str] = set()
        self._level = settings.level
        self.seen: dict[str, str] = {}

    def __call__(self, value: Any) -> str:
        """Label of a cell; '' for a cell without a label."""
        text = as_text(value)
        if text not in self.seen:
            self.seen[text] = self._label(text)
        return self.seen[text]

    def merged(self, label: str) -> str:
        """Return the parent of a label in the atlas; a label that is not in the atlas is returned unchanged."""
        if self._parent is None or not label:
            return label
        parent = self._parent(label)
        if parent is None:
            self._not_in_atlas.add(label)
        elif not parent:
            self._without_parent.add(label)
        return label if parent is None else region_label(parent)

    def _label(self, text: str) -> str:
        label = text
        if self._pattern is not None:
            match = self._pattern.search(text)
            if match is not None:
                self._matched.add(text)
                label = match.group(1) or ""
        if label == text:
            label = of_json(text)
        return self.merged(region_label(label))

    @property
    def notes(self) -> list[str]:
        """Return sentences on labels that the pattern does not match, and on labels that are not in the atlas."""
        notes = []
        labels = [text for text in self.seen if region_label(text)]
        missed = [text for text in labels if text not in self._matched]
        if self._pattern is not None and missed:
            notes.append(
                f"regions.pattern does not match {len(missed)} of {len(labels)} labels, which are used as they are"
                f" (e.g. {missed[0][:60]!r})."
            )
        if self._without_parent:
            some = ", ".join(sorted(self._without_parent)[:5])
            notes.append(
                f"{len(self._without_parent)} labels have no parent on the level {self._level} of the Allen mouse atlas"
                f" and are not regions: {some}."
            )
        if self._not_in_atlas:
            some = ", ".join(sorted(self._not_in_atlas)[:5])
            notes.append(
                f"{len(self._not_in_atlas)} labels are not in the Allen mouse atlas and are used as they are: {some}."
            )
        return notes


def of_json(text: str) -> str:
    """Return the region in a JSON string, under the first of `JSON_KEYS`; any other string is returned unchanged."""
    if not text.startswith(("{", "[")):
        return text
    try:
        content = json.loads(text)
    except ValueError:
        # A dictionary as Python prints it.
        try:
            content = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return text
    if isinstance(content, list) and len(content) == 1:
        content = content[0] if isinstance(content[0], dict) else {"region": content[0]}
    if not isinstance(content, dict):
        return text
    keys = {str(key).casefold(): value for key, value in content.items()}
    value = next((keys[key] for key in JSON_KEYS if key in keys), text)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else text


def compiled(pattern: str, where: str) -> re.Pattern[str]:
    """Compile a regular expression of the user, which must have one group.

    Parameters
    ----------
    pattern : the regular expression.
    where : the setting, for messages.

    Returns
    -------
    The compiled expression.

    Raises
    ------
    UserError : the pattern is not a regular expression, or has no group or several groups.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError.at(where, found=f"{pattern!r} ({error})", expected="a regular expression") from None
    if expression.groups != 1:
        raise UserError.at(
            where,
            found=f"{pattern!r} with {expression.groups} groups",
            expected=r"one group that is the label, as in group\d+_(\w+)",
        )
    return expression
