"""Writing of files so that they are either whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curbd.errors import UNWRITABLE, UserError


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Write a file so that it is either whole or absent, even if the program is killed.

    A reader never sees half a file, and a process that survived a killed run cannot spoil the files of a new run.

    Parameters
    ----------
    path : path of the file to write; its folder is made if necessary.

    Yields
    ------
    A temporary path in the same folder. The temporary file replaces ``path`` when the block ends without an error, and
    is deleted if the block raises an error.

    Raises
    ------
    UserError : the file system is full or read-only, a quota is used up, or the folder may not be written to.
    """
    path = Path(path)
    with told_if_unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".part{path.suffix}")
        os.close(handle)
        try:
            # mkstemp makes a file that only its owner can read; an ordinary write respects the umask of the process.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)
            yield Path(name)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def told_if_unwritable(path: Path, expected: str = "a folder with room for this file") -> Iterator[None]:
    """Turn errors of the file system in the block into a message for the user.

    Parameters
    ----------
    path : the file or folder that is written to in the block.
    expected : what is expected, for the message.

    Raises
    ------
    UserError : the file system is full or read-only, a quota is used up, or the folder may not be written to.
    """
    try:
        yield
    except OSError as error:
        reason = UNWRITABLE.get(error.errno or 0)
        # Some libraries give the text of the system without its number.
        if reason is None:
            reason = next((text for number, text in UNWRITABLE.items() if os.strerror(number) in str(error)), None)
        if reason is None:
            raise
        found, todo = reason
        raise UserError.at(str(path), found=found, expected=expected, todo=f"{todo}, then run again") from None
