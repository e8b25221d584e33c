"""Where the relative paths of a config start."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def located(text: str, folders: Sequence[Path]) -> str:
    """A path of the config as the working directory sees it.

    Parameters
    ----------
    text : the path in the config; `~` is the home folder of the user.
    folders : folders of the config. A relative path starts at the first of them that holds such a file or folder, and
        at the working directory where none of them does.
    """
    path = Path(text).expanduser()
    if not path.is_absolute():
        for folder in folders:
            if (folder / path).exists():
                same = path.exists() and path.samefile(folder / path)
                return text if same else str(folder / path)
    return str(path) if text.startswith("~") else text


def with_located_paths(config: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """A config with all its paths as the working directory sees them.

    Relative `results` lie beside the config where the table of recordings was found beside the config, and in the
    working directory otherwise.

    Parameters
    ----------
    config : the config as plain data, which may have mistakes.
    folders : folders of the config.
    """
    made = copy.deepcopy(dict(config))
    _locate(made, "recordings", folders)
    results, recordings = made.get("results", "results"), config.get("recordings")
    if isinstance(results, str) and results:
        made["results"] = located(results, [])
        if isinstance(recordings, str) and made["recordings"] != recordings and not Path(results).is_absolute():
            base = study_folder(recordings, folders)
            if base is not None and not results.startswith("~"):
                made["results"] = str(base / results)
    defaults = made.get("defaults")
    regions = defaults.get("regions") if isinstance(defaults, dict) else None
    if isinstance(regions, dict):
        _locate(regions, "mapping", folders)
        _locate(regions, "merge", folders)
    experiments = made.get("inactivations")
    for experiment in experiments.values() if isinstance(experiments, dict) else []:
        if isinstance(experiment, dict):
            parts = experiment.get("parts")
            for intervention in [experiment, *(parts if isinstance(parts, list) else [])]:
                if isinstance(intervention, dict):
                    _locate(intervention, "table", folders)
    return made


def study_folder(recordings: str, folders: Sequence[Path]) -> Path | None:
    """The folder of the config that holds the table of recordings; None where the working directory holds it."""
    path = Path(recordings).expanduser()
    if path.is_absolute():
        return None
    return next((folder for folder in folders if (folder / path).exists()), None)


def _locate(section: dict[str, Any], key: str, folders: Sequence[Path]) -> None:
    if isinstance(section.get(key), str) and section[key]:
        section[key] = located(section[key], folders)
