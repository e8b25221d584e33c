"""A check that an array fits into free memory, before the array is made."""

from __future__ import annotations

import math
from pathlib import Path

from curbd.errors import UserError

COPIES = 4
"""Number of arrays of the size of the rates that binning and smoothing hold at the same time."""
BYTES = 8
"""Bytes per number."""
LARGE_BYTES = 2e9
"""Arrays that are nearly empty are refused above this size, however much memory is free."""


def free_bytes() -> float:
    """Return the memory that this process can still take, in bytes; infinite if the system does not say."""
    limits = [math.inf]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(float(line.split()[1]) * 1024)
        group = Path("/sys/fs/cgroup")
        ceiling = (group / "memory.max").read_text().strip()
        if ceiling != "max":
            limits.append(float(ceiling) - float((group / "memory.current").read_text()))
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource

        ceiling_bytes = resource.getrlimit(resource.RLIMIT_AS)[0]
        if ceiling_bytes != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limits.append(float(ceiling_bytes) - pages * resource.getpagesize())
    except (ImportError, OSError, ValueError, IndexError):
        pass
    return max(min(limits), 0.0)


def require_memory(n_values: float, where: str, found: str, todo: str, filled: float = 1.0) -> None:
    """Raise an error if an array would not fit into memory, or would be large and nearly empty.

    Parameters
    ----------
    n_values : number of values of the array.
    where : the setting, for messages.
    found : what needs so much memory, with its numbers, for messages.
    todo : what the user can do, for messages.
    filled : share of the array that would hold values. Below 1, the caller has found that the array is nearly empty,
        and an array above 2 GB is refused.

    Raises
    ------
    UserError : more memory is needed than is free, or an array above 2 GB would be nearly empty.
    """
    needed = float(n_values) * BYTES * COPIES
    free = free_bytes()
    if needed > free:
        raise UserError.at(
            where,
            found=f"{found}: arrays of {gigabytes(needed)}",
            expected=f"at most {gigabytes(free)}, the memory that is free",
            todo=todo,
        )
    if needed > LARGE_BYTES and filled < 1.0:
        raise UserError.at(
            where,
            found=f"{found}: arrays of {gigabytes(needed)} that would be nearly empty",
            expected="bins and time windows that hold activity",
            todo=todo,
        )


def gigabytes(n_bytes: float) -> str:
    """Return an amount of memory as a string in GB."""
    return f"{n_bytes / 1e9:.3g} GB"
