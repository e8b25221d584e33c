"""The command `curbd run`, which runs the workflow on a config from any folder."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from curbd.commands.command_line import Terminated
from curbd.errors import UserError
from curbd.settings.places import study_folder
from curbd.settings.yaml_file import read_yaml
from curbd.storage.whole_files import told_if_unwritable

PACKAGE = Path(__file__).resolve().parents[1]
WORKFLOW_FOLDERS = (PACKAGE.parent, PACKAGE / "installed_workflow")
"""Folders that may hold the Snakefile: the root of the repository, and the folder that a wheel brings."""
SNAKEMAKE_WITHOUT_TRACEBACK = """
import sys
def told(kind, *error):
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, *error)
sys.excepthook = told
sys.argv[0] = "snakemake"
from snakemake.cli import main
main()
"""
"""Program that runs Snakemake. Ctrl-C shows no traceback, also while Snakemake and the Snakefile import their
libraries; after that, Snakemake itself ends its jobs."""
ROOM_FOR_SNAKEMAKE_BYTES = 100_000
"""Size of the files that Snakemake writes before the first step of a run."""


def run_workflow(config: Path, cores: str, options: Sequence[str]) -> int:
    """Run the workflow with the defaults of ``profiles/default``.

    Snakemake works in the folder of the config, so that results, locks and the record of finished steps do not depend
    on the folder from which the command is run. If the relative path of the table of recordings does not exist from the
    folder of the config, Snakemake works in the working directory.

    Parameters
    ----------
    config : path of the config.
    cores : number of cores, or ``all``.
    options : additional options of Snakemake.

    Returns
    -------
    Exit status of Snakemake.

    Raises
    ------
    UserError : the config cannot be read, the repository with the workflow is not there, or there is no room for the
        files of Snakemake.
    KeyboardInterrupt : the user pressed Ctrl-C, or the signal SIGTERM came; raised after Snakemake has ended its jobs.
    """
    command = snakemake_command(config, cores, options)
    folder = Path(command[command.index("--directory") + 1])
    _require_room(folder)
    # The steps are commands of the environment in which this program runs.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    process = subprocess.Popen(command, env=os.environ | {"PATH": path})
    try:
        status = process.wait()
    except KeyboardInterrupt as ended:
        # Ctrl-C reaches Snakemake as well, which ends its jobs and unlocks the folder; a second one ends it at once.
        # SIGTERM reaches this program alone, and Snakemake lets its running jobs finish.
        if isinstance(ended, Terminated):
            process.terminate()
        try:
            process.wait()
        except KeyboardInterrupt:
            process.kill()
            process.wait()
        raise
    locks = folder / ".snakemake" / "locks"
    if status and locks.is_dir() and any(locks.iterdir()):
        print(
            f"{locks.parent.parent} is locked. If no other run is at work there, and one was killed: "
            f"curbd run {shlex.quote(str(config))} -- --unlock",
            file=sys.stderr,
        )
    return status


def _require_room(folder: Path) -> None:
    """Raise an error if a folder has no room for the log, the locks and the record of steps of Snakemake.

    Snakemake itself would end with several tracebacks.
    """
    with told_if_unwritable(folder, "room for the files of Snakemake"), tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(ROOM_FOR_SNAKEMAKE_BYTES))
        file.flush()


def workflow_folder() -> Path:
    """Return the folder with the Snakefile, its rules and its profiles.

    Returns
    -------
    The root of the repository for a package that is installed from there, and a folder of the package for a wheel.

    Raises
    ------
    UserError : there is no such folder, because the installation is damaged.
    """
    folder = next((folder for folder in WORKFLOW_FOLDERS if (folder / "Snakefile").is_file()), None)
    if folder is None:
        raise UserError.at(
            " and ".join(map(str, WORKFLOW_FOLDERS)),
            found="no Snakefile",
            expected="the workflow of curbd-workflow",
            todo="install curbd-workflow again",
        )
    return folder


def snakemake_command(config: Path, cores: str, options: Sequence[str]) -> list[str]:
    """Construct the command line that runs the workflow on a config.

    Parameters
    ----------
    config : path of the config.
    cores : number of cores, or ``all``.
    options : additional options of Snakemake.

    Returns
    -------
    The words of the command line.
    """
    root = workflow_folder()
    config = config.expanduser().absolute()
    command = [sys.executable, "-c", SNAKEMAKE_WITHOUT_TRACEBACK]
    command += ["--snakefile", str(root / "Snakefile"), "--cores", cores]
    command += ["--directory", str(_folder(config)), "--configfile", str(config)]
    if not any(option.startswith("--workflow-profile") for option in options):
        command += ["--workflow-profile", str(root / "profiles" / "default")]
    return [*command, *options]


def _folder(config: Path) -> Path:
    """The folder in which Snakemake works."""
    content = read_yaml(config)
    recordings = content.get("recordings") if isinstance(content, dict) else None
    if not os.access(config.parent, os.W_OK):
        return Path.cwd()
    if not isinstance(recordings, str):
        return config.parent
    path = Path(recordings).expanduser()
    is_here = not path.is_absolute() and path.exists() and study_folder(recordings, [config.parent]) is None
    return Path.cwd() if is_here else config.parent
