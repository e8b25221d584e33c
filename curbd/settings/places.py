"""Resolution of the paths that are given in a config and in its tables."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from curbd.errors import UserError

REMOTE = "://"
"""Part of a text that makes it the address of a file on a server."""


def location(text: str) -> Path:
    """Return the place of a file: a path of this machine, or the address of a file on a server.

    Parameters
    ----------
    text : a path, or an address such as ``https://...`` or ``s3://...``.

    Returns
    -------
    The place. An address has the methods of a path, and is no instance of `Path`.

    Raises
    ------
    UserError : the address is of an unknown kind, or the packages that read files from servers are not installed.
    """
    if REMOTE not in text:
        return Path(text)
    try:
        from upath import UPath

        return cast(Path, UPath(text))
    except ImportError as error:
        raise UserError.at(
            text,
            found=f"an address, and no package {error.name}",
            expected="the packages that read files from servers",
            todo="install them: pip install 'curbd-workflow[remote]'",
        ) from None
    except ValueError as error:
        expected = "a path, or an address that begins with https:// or s3://"
        raise UserError.at(text, found=str(error), expected=expected) from None


def beside(folder: Path, text: str) -> Path:
    """Return the place that a table names: an address, or a path from the folder of the table; `~` is the home folder.

    Parameters
    ----------
    folder : folder of the table.
    text : the cell of the table.

    Raises
    ------
    UserError : for the reasons given in `location`.
    """
    return location(text) if REMOTE in text else folder / Path(text).expanduser()


def is_remote(path: Path) -> bool:
    """Return whether a place, see `location`, is the address of a file on a server."""
    return not isinstance(path, Path)


def located(text: str, folders: Sequence[Path]) -> str:
    """Resolve a path given in the config.

    A relative path is resolved against the first of the given folders in which it exists, and otherwise against the
    working directory.

    Parameters
    ----------
    text : the path in the config; `~` is the home folder of the user.
    folders : folders of the config.

    Returns
    -------
    The path, absolute or relative to the working directory.
    """
    path = Path(text).expanduser()
    if not path.is_absolute():
        for folder in folders:
            if (folder / path).exists():
                same = path.exists() and path.samefile(folder / path)
                return text if same else str(folder / path)
    return str(path) if text.startswith("~") else text


def with_located_paths(config: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Resolve all paths in a config.

    A relative path of `results` is resolved against the folder of the config if the table of recordings is in that
    folder, and otherwise against the working directory.

    Parameters
    ----------
    config : the config as plain data, which may have mistakes.
    folders : folders of the config.

    Returns
    -------
    The config with resolved paths.
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
    cell_types = defaults.get("cell_types") if isinstance(defaults, dict) else None
    if isinstance(cell_types, dict):
        _locate(cell_types, "table", folders)
    models = made.get("models")
    for model in models.values() if isinstance(models, dict) else []:
        constraints = model.get("constraints") if isinstance(model, dict) else None
        if isinstance(constraints, dict):
            _locate(constraints, "density", folders)
            _locate(constraints, "pairs", folders)
    experiments = made.get("inactivations")
    for experiment in experiments.values() if isinstance(experiments, dict) else []:
        if isinstance(experiment, dict):
            parts = experiment.get("parts")
            for intervention in [experiment, *(parts if isinstance(parts, list) else [])]:
                if isinstance(intervention, dict):
                    _locate(intervention, "table", folders)
    return made


def study_folder(recordings: str, folders: Sequence[Path]) -> Path | None:
    """Return the folder of the config that holds the table of recordings; None if no folder of the config holds it."""
    path = Path(recordings).expanduser()
    if path.is_absolute():
        return None
    return next((folder for folder in folders if (folder / path).exists()), None)


def _locate(section: dict[str, Any], key: str, folders: Sequence[Path]) -> None:
    if isinstance(section.get(key), str) and section[key]:
        section[key] = located(section[key], folders)
