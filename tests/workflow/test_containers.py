"""The definitions of containers copy all that an installation needs; .ci/run builds one where there is a daemon."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.workspace import ROOT

FOLDER = ROOT / "containers"


def copied_by_docker() -> set[str]:
    """The paths in the repository that the Dockerfile copies."""
    lines = (FOLDER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return {path for line in lines if line.startswith("COPY ") for path in line.split()[1:-1]}


def copied_by_apptainer() -> set[str]:
    """The paths in the repository that the definition for Apptainer copies."""
    files = (FOLDER / "apptainer.def").read_text(encoding="utf-8").partition("%files\n")[2].partition("\n\n")[0]
    return {line.split()[0] for line in files.splitlines()}


def test_both_containers_copy_the_same_files_and_docker_is_allowed_to() -> None:
    allowed = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert copied_by_docker() == copied_by_apptainer()
    assert copied_by_docker() == {path.removeprefix("!") for path in allowed if path.startswith("!")}


def test_the_copied_files_can_be_installed(tmp_path: Path) -> None:
    for name in copied_by_docker():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, cwd=tmp_path, check=False).returncode == 0
    assert list((tmp_path / "dist").glob("*.whl"))
