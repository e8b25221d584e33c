"""Errors while a file is read become one line with the file, the object and the reason.

Libraries raise many kinds of errors for damaged files. Whenever this project reads an object of a file, the object is
named here, so that the message says which object is damaged. The original error is chained, and logged for debugging.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import h5py

from curbd.errors import UserError

READING_ERRORS = (
    *(OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError),
    *(EOFError, ImportError, NameError),
)
"""Errors that libraries raise for files that they cannot read."""
MAX_ERROR_LENGTH = 240
"""Largest number of characters of a library's error that are quoted in a message."""

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class UnreadableError(UserError):
    """An error about a file, or an object of a file, that cannot be read."""


def reason_of(error: BaseException) -> str:
    """Return the message of an error that a library raised, on one line."""
    text = " ".join(str(error).split()) or "no reason given"
    if len(text) > MAX_ERROR_LENGTH:
        text = text[:MAX_ERROR_LENGTH] + " ..."
    return f"{type(error).__name__}: {text}"


@contextmanager
def reading(where: str, name: str) -> Iterator[None]:
    """Turn every error that is raised while an object of a file is read into a message that names the object.

    Parameters
    ----------
    where : the recording or the file, for messages.
    name : the object of the file.

    Raises
    ------
    UnreadableError : the object cannot be read.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise UnreadableError.at(
            f"{where}: {name}",
            found="more data than fit into the free memory",
            expected="data that fit into memory",
            todo="use a machine with more memory, shorter windows or wider bins",
        ) from error
    except READING_ERRORS as error:
        logger.debug("%s: %s cannot be read", where, name, exc_info=True)
        raise UnreadableError.at(
            f"{where}: {name}",
            found=f"an object that cannot be read ({reason_of(error)})",
            expected="readable data",
            todo="copy or download the file again, or write this object again",
        ) from error


def guarded(read: Callable[..., Result], where: str, name: str) -> Callable[..., Result]:
    """Wrap a function that reads an object of a file, so that its errors become messages that name the object.

    Parameters
    ----------
    read : the function.
    where : the recording or the file, for messages.
    name : the object of the file.

    Returns
    -------
    The wrapped function, which raises `UnreadableError` as `reading` does.
    """

    def safely(*arguments: Any) -> Result:
        with reading(where, name):
            return read(*arguments)

    return safely


def broken_links(file: h5py.File) -> dict[str, str]:
    """Find every link of a file that leads nowhere: path of the link -> where it should lead."""
    broken: dict[str, str] = {}

    def look(group: h5py.Group, path: str, depth: int) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            full = f"{path}/{name}".lstrip("/")
            if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
                if group.get(name) is None:
                    external = isinstance(link, h5py.ExternalLink)
                    broken[full] = f"{link.path} in the file {link.filename}" if external else str(link.path)
            elif depth < 12 and isinstance(link, h5py.HardLink):
                member = group.get(name)
                if isinstance(member, h5py.Group):
                    look(member, full, depth + 1)

    try:
        look(file, "", 0)
    except (OSError, RuntimeError, KeyError):
        # A damaged group; whatever was seen before is still told.
        logger.debug("links cannot be listed", exc_info=True)
    return broken
