"""Reading of a config and its table of recordings as a plan.

Every mistake that can be found without opening a recording is found here, all at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from curbd.errors import UserError
from curbd.settings.config import Config
from curbd.settings.places import with_located_paths
from curbd.settings.plan import Plan
from curbd.settings.plan_mistakes import mistakes_of_config, mistakes_of_names, mistakes_of_plan
from curbd.settings.recordings_table import read_recordings
from curbd.settings.validation import check, dotted
from curbd.settings.yaml_file import read_yaml

BASIC_KEYS = ("recordings", "results", "defaults")
"""Keys of the config without which nothing else can be checked."""
SECTIONS = tuple(key for key in Config.model_fields if key not in BASIC_KEYS)
"""Keys of the config that are checked one after another, so that a mistake in one hides no mistakes in the others."""


def read_plan(
    config: Mapping[str, Any] | Path | str,
    file: str = "",
    generated: Collection[str] = (),
    folders: Sequence[Path] = (),
) -> Plan:
    """Read and check a config and its table of recordings.

    Parameters
    ----------
    config : the config as plain data, or the path of its YAML file. Relative paths in the config are resolved against
        the folder of the config if the file exists there, and otherwise against the working directory. Relative paths
        in recordings.tsv are resolved against the folder of that table.
    file : name of the config in messages, if plain data are given.
    generated : paths of files that the workflow itself writes and that may not exist yet.
    folders : folders of the config, if plain data are given.

    Returns
    -------
    The checked config and its recordings.

    Raises
    ------
    UserError : the config or recordings.tsv has mistakes; the message has one line per mistake.
    """
    plan, mistakes = plan_and_mistakes(config, file, generated, folders)
    if mistakes or plan is None:
        raise UserError("\n".join(mistakes))
    return plan


def plan_and_mistakes(
    config: Mapping[str, Any] | Path | str,
    file: str = "",
    generated: Collection[str] = (),
    folders: Sequence[Path] = (),
) -> tuple[Plan | None, list[str]]:
    """Read a plan, and collect all mistakes that can be found without opening a recording.

    Parameters
    ----------
    config, file, generated, folders : as in `read_plan`.

    Returns
    -------
    The plan without the entries that have mistakes, so that the recording files can still be checked (None if there can
    be no plan); and every mistake, one line each.

    Raises
    ------
    UserError : the config file cannot be read.
    """
    if isinstance(config, (str, Path)):
        data, file, folders = read_yaml(Path(config)), str(config), [Path(config).parent]
    else:
        data, file = config, file or "config"
    if isinstance(data, Mapping):
        data = with_located_paths(data, folders)
    checked, wrong = check(Config, data, lambda path: ", ".join(filter(None, [file, dotted(path)])))
    if checked is None:
        checked, data = _sections_in_order(data)
        if checked is None:
            if isinstance(data, Mapping) and isinstance(data.get("recordings"), str):
                # The settings of the table can be checked once those of the config are in order.
                wrong += read_recordings(Path(data["recordings"]), file, {}, generated)[1]
            return None, wrong
    wrong += mistakes_of_config(checked, file)
    recordings, more = read_recordings(Path(checked.recordings), file, data.get("defaults", {}), generated)
    plan = Plan(checked, recordings)
    wrong += more + mistakes_of_plan(plan, file)
    if not more:
        wrong += mistakes_of_names(plan, file)
    return plan, wrong


def _sections_in_order(data: Any) -> tuple[Config | None, Any]:
    """A config with mistakes reduced to the sections that have none, and its data; None if too little is left.

    Mistakes in `defaults` leave nothing: other settings would be checked against the wrong trials and units.
    """
    if not isinstance(data, Mapping):
        return None, data
    kept = {key: data[key] for key in BASIC_KEYS if key in data} | {"inactivations": {}}
    checked = check(Config, kept, dotted)[0]
    for key in SECTIONS:
        if checked is not None and key in data:
            larger = check(Config, kept | {key: data[key]}, dotted)[0]
            if larger is not None:
                checked, kept = larger, kept | {key: data[key]}
    return checked, data if checked is None else kept
