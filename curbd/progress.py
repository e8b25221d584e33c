"""Progress of long computations: a bar at a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

log = logging.getLogger(__name__)


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[int], object]]:
    """Show the progress of a computation while a ``with`` block runs.

    Parameters
    ----------
    total : number of steps of the computation.
    what : short description, shown in front of the bar or the numbers.

    Yields
    ------
    A function to call with the number of steps that were completed since the last call. The function advances a bar on
    standard error. If standard error is not a terminal, the function writes a line to the log whenever another tenth of
    all steps is complete.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what) as bar:
            yield bar.update
        return
    done = 0

    def log_tenths(steps: int) -> None:
        nonlocal done
        before, done = done, done + steps
        if 10 * done // total > 10 * before // total:
            log.info("%s: %d of %d", what, done, total)

    yield log_tenths
