"""The wheel and the source distribution: what they hold, and a run of the workflow from an installed wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.support.workspace import ROOT


def succeed(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command that must succeed, and return what it printed."""
    run = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("distributions")
    # The build tools are those of this environment: a test needs no network.
    succeed([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)], folder)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return next(distributions.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_packages_and_the_workflow(wheel: Path) -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not a git repository, so that the files of the project are not known")
    packages = {name for name in tracked if name.startswith(("curbd/", "lrfit/"))}
    shared = {name for name in tracked if name.startswith(("workflow/", "profiles/"))} | {
        "Snakefile",
        "environment.yml",
    }
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names >= packages
    assert names >= {f"curbd/installed_workflow/{name}" for name in shared}


def test_the_source_distribution_holds_tests_and_documents(distributions: Path) -> None:
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"tests/workflow/test_wheel.py", "docs/tutorial.md", "constraints.txt", "LICENSE"} <= names


def test_an_installed_wheel_runs_the_workflow(wheel: Path, tmp_path: Path) -> None:
    """The environment is new and holds the wheel; its dependencies are read from the environment of the tests."""
    venv.create(tmp_path / "environment", with_pip=False)
    python = tmp_path / "environment" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    succeed([*pip, str(wheel)], tmp_path)
    installed = succeed([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], tmp_path).strip()
    # A path file of an environment is not read through another path file, so that the package under test is not seen.
    (Path(installed) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    study = tmp_path / "study"
    study.mkdir()
    (study / "my.tsv").write_text("recording\tpath\tformat\nmonday\tmonday.nwb\tnwb\n", encoding="utf-8")
    config = {
        "recordings": "my.tsv",
        "results": "out",
        "defaults": {"windows": {"table": "trials", "conditions": ["side"]}},
        "models": {"one_step": {"family": "full_rank", "seeds": [0]}},
    }
    (study / "my.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    curbd = str(python.with_name("curbd"))

    where = succeed(
        [str(python), "-c", "import curbd, lrfit; print(curbd.__file__, lrfit.__file__)"], study, environment
    )
    assert all(path.startswith(installed) for path in where.split())
    succeed([curbd, "teacher", "demo", "--out", "monday.nwb"], study, environment)
    printed = succeed([curbd, "run", "my.yaml", "--cores", "1", "--", "--until", "fit"], study, environment)
    assert str(Path(installed) / "curbd" / "installed_workflow") in printed
    assert (study / "out" / "monday" / "one_step" / "network.nc").is_file()
