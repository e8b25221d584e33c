"""Units in which a file states its times; everywhere else in the project, times are in seconds."""

from __future__ import annotations

import re
from typing import Any

from curbd.recording.cells import as_text, is_stored

SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
}
"""Name of a unit of time -> its length in seconds."""


def stated_unit(dataset: Any) -> str:
    """Return the unit that a dataset of times states in its attribute ``unit`` or ``units``; '' if it states none."""
    if not is_stored(dataset):
        return ""
    for attribute in ("unit", "units"):
        value = dataset.attrs.get(attribute)
        if isinstance(value, str | bytes):
            return as_text(value)
    return ""


def unit_in_description(dataset: Any) -> str:
    """Return a unit of time other than the second that the description of a dataset names.

    The result is '' if the description names no unit, or also names seconds.
    """
    text = as_text(dataset.attrs.get("description", "")) if is_stored(dataset) else ""
    if re.search(r"\b(s|sec|seconds?)\b", text, re.IGNORECASE):
        return ""
    match = re.search(r"\b(ms|msec|milliseconds?|microseconds?|samples|minutes|hours)\b", text, re.IGNORECASE)
    return "" if match is None else match[1]


def seconds_per_unit(dataset: Any, name: str) -> tuple[float, list[str]]:
    """Return the length in seconds of the unit in which a dataset states its times.

    Parameters
    ----------
    dataset : the dataset, whose attribute states the unit.
    name : name of the dataset, for sentences.

    Returns
    -------
    The length of the unit in seconds, and sentences on a unit other than the second.
    """
    unit = stated_unit(dataset)
    if not unit and (word := unit_in_description(dataset)):
        return 1.0, [
            f"The description of {name} mentions {word!r}, but only an attribute `unit` is used: the times are read as "
            "seconds."
        ]
    seconds = SECONDS.get(unit.casefold())
    if seconds is None:
        if not unit:
            return 1.0, []
        return 1.0, [
            f"{name} states the unit {unit!r}, which is not a known unit of time; the times are read as seconds."
        ]
    return seconds, [] if seconds == 1.0 else [f"{name} is stated in {unit} and converted to seconds."]
