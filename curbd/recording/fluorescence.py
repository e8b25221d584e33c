"""Fluorescence and what was deconvolved from it, told from other activity by its name in the file."""

from __future__ import annotations

import re

IMAGING_WORDS = re.compile(
    r"fluor|df[_ /]?(over)?[_ /]?f(?![a-z])|dff|deconv|calcium|(?<![a-z])ophys(?![a-z])|(?<![a-z])rois?(?![a-z])",
    re.IGNORECASE,
)

DFF_WORDS = re.compile(r"df[_ ]?(over|/)?[_ ]?f|dff", re.IGNORECASE)
DECONVOLVED_WORDS = re.compile(r"deconv|spike|event", re.IGNORECASE)


def is_fluorescence(activity_name: str) -> bool:
    """Return whether activity of this name is fluorescence or deconvolved fluorescence.

    Parameters
    ----------
    activity_name : path of the activity in an NWB or HDF5 file, such as ``processing/ophys/DfOverF/dff``; several paths
        are separated by commas.
    """
    return bool(IMAGING_WORDS.search(activity_name))


def is_deconvolved(activity_name: str) -> bool:
    """Return whether the name of a response of regions of interest says that the fluorescence was deconvolved.

    Parameters
    ----------
    activity_name : path of the activity in the file.
    """
    return bool(DECONVOLVED_WORDS.search(activity_name))


def is_relative(activity_name: str) -> bool:
    """Return whether the name of a response of regions of interest says that it is relative to a baseline (dF/F).

    Parameters
    ----------
    activity_name : path of the activity in the file.
    """
    return bool(DFF_WORDS.search(activity_name))
