"""The one exception for everything that a user can correct, and the form of its message."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterable
from typing import Self, TypeVar

T = TypeVar("T")

UNWRITABLE = {
    errno.ENOSPC: ("no space left on the file system", "free some space"),
    errno.EDQUOT: ("a disk quota that is used up", "free some space or ask for more"),
    errno.EFBIG: ("a file that is larger than the file system or the limit of the process allows", "raise the limit"),
    errno.EROFS: ("a read-only file system", "choose another folder for results"),
    errno.EACCES: ("a folder that may not be written to", "choose another folder for results, or change its rights"),
    errno.EPERM: ("a folder that may not be written to", "choose another folder for results, or change its rights"),
    errno.ENAMETOOLONG: ("a name that is too long for the file system", "choose shorter names"),
}
"""Number of an operating system error -> what the error means for the folder of a file, and what the user can do."""


class UserError(Exception):
    """An error that the user can correct: a command prints the message without a traceback and exits with status 2.

    The message is one line for each mistake: where, what was found, what was expected, and what to do. The attributes
    hold these four facts about a single mistake, for code that handles the error; they are empty if the error reports
    several mistakes at once or has a message of another form.

    Attributes
    ----------
    where : location of the mistake: a file, a line or a key of the settings.
    found : what was found there.
    expected : what was expected instead.
    todo : what the user can do.
    """

    def __init__(self, message: str, *, where: str = "", found: str = "", expected: str = "", todo: str = "") -> None:
        super().__init__(message)
        self.where = where
        self.found = found
        self.expected = expected
        self.todo = todo

    @classmethod
    def at(cls, where: str, *, found: str, expected: str, todo: str = "") -> Self:
        """Construct an error about one mistake, with the message ``where: found ..., expected ...; todo``.

        Parameters
        ----------
        where : location of the mistake: a file, a line or a key of the settings.
        found : what was found there.
        expected : what was expected instead.
        todo : what the user can do; may be empty.

        Returns
        -------
        The error, to be raised by the caller.
        """
        message = mistake(where, found=found, expected=expected, todo=todo)
        return cls(message, where=where, found=found, expected=expected, todo=todo)


def mistake(where: str, *, found: str, expected: str, todo: str = "") -> str:
    """Write one line that describes a mistake: ``where: found ..., expected ...; todo``.

    Parameters
    ----------
    where : location of the mistake: a file, a line or a key of the settings.
    found : what was found there.
    expected : what was expected instead.
    todo : what the user can do; may be empty.

    Returns
    -------
    The line.
    """
    return f"{where}: found {found}, expected {expected}" + (f"; {todo}" if todo else "")


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return the question ``did you mean 'x'?`` if one of the candidates resembles the word, and '' otherwise."""
    matches = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else ""


def attempt(function: Callable[..., T], *arguments: object) -> tuple[T | None, list[str]]:
    """Call a function that may find a mistake of the user, so that the mistakes of several calls are told at once.

    Parameters
    ----------
    function : the function.
    arguments : positional arguments of the function.

    Returns
    -------
    The result of the function and no message; or None and the message of the `UserError` that the function raised.
    """
    try:
        return function(*arguments), []
    except UserError as error:
        return None, [str(error)]
