"""The one exception for everything that a user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something that the user can mend: printed without a traceback, exit status 2.

    The text says where, what was found, what was expected and what to do, a line for each mistake.
    """

    @classmethod
    def at(cls, place: str, *, found: str, expected: str, todo: str = "") -> UserError:
        """One mistake in the house form: ``place: found ..., expected ...; what to do``."""
        return cls(mistake(place, found=found, expected=expected, todo=todo))


def mistake(place: str, *, found: str, expected: str, todo: str = "") -> str:
    """One line that tells a mistake: where, what was found, what was expected, and what to do."""
    return f"{place}: found {found}, expected {expected}" + (f"; {todo}" if todo else "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` when a known word is close to this one, else an empty text."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""
