"""How far long work has come: a bar where a person watches, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

log = logging.getLogger(__name__)


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[int], object]]:
    """A function to call with how many more of ``total`` things are done.

    It moves a bar on standard error, or, where that is no terminal, writes a line to the log at every tenth.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what) as bar:
            yield bar.update
        return
    done = 0

    def told(more: int) -> None:
        nonlocal done
        before, done = done, done + more
        if 10 * done // total > 10 * before // total:
            log.info("%s: %d of %d", what, done, total)

    yield told
