"""Progress of long computations: a bar at a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
QUIET_SECONDS = 10.0
"""A computation that takes less time shows nothing."""

log = logging.getLogger(__name__)


@contextmanager
def progress(total: int, what: str, quiet_s: float = QUIET_SECONDS) -> Iterator[Callable[[int], object]]:
    """Show the progress of a computation while a ``with`` block runs: the share that is done, and the time left.

    Parameters
    ----------
    total : number of steps of the computation.
    what : short description, shown in front of the bar or the numbers.
    quiet_s : time from the start, s, before which nothing is shown.

    Yields
    ------
    A function to call with the number of steps that were completed since the last call. The function advances a bar on
    standard error. If standard error is not a terminal, the function writes a line to the log whenever another tenth of
    all steps is complete. The time left is estimated from the time that the completed steps took.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what, delay=quiet_s) as bar:
            yield bar.update
        return
    done, started = 0, time.monotonic()

    def log_tenths(steps: int) -> None:
        nonlocal done
        before, done = done, done + steps
        seconds = time.monotonic() - started
        if seconds >= quiet_s and 10 * done // total > 10 * before // total:
            left = f", about {_duration(seconds * (total - done) / done)} left" if done < total else ""
            log.info("%s: %d of %d%s", what, done, total, left)

    yield log_tenths


def tracked(items: Collection[T], what: str) -> Iterator[T]:
    """Run through items and show the progress; `progress` tells how.

    Parameters
    ----------
    items : the items of a loop, each of which is a step of the computation.
    what : short description, shown in front of the bar or the numbers.

    Yields
    ------
    The items, in their order.
    """
    with progress(len(items), what) as advance:
        for item in items:
            yield item
            advance(1)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
