"""The public names of the packages, with their types, as a notebook sees them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import curbd
import lrfit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", [curbd, lrfit])
def test_every_name_of_the_stub_is_listed_and_can_be_used(package: ModuleType) -> None:
    folder = Path(str(package.__file__)).parent
    stub = ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8"))
    names = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names <= set(dir(package))
    assert all(getattr(package, str(name)) is not None for name in names)
    assert (folder / "py.typed").is_file()


def test_the_packages_have_the_version_of_the_project() -> None:
    assert curbd.__version__ == lrfit.__version__ == "0.1.0"


def test_types_reach_the_user(tmp_path: Path) -> None:
    script = tmp_path / "notebook.py"
    script.write_text(
        "import curbd\n"
        'session = curbd.ingest_file("session.nwb")\n'
        'fits = curbd.fit(session.recording, curbd.Model(family="full_rank"))\n'
        "reveal_type(fits)\n"
        "reveal_type(curbd.judge(session.recording, fits.networks))\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(script)]
    printed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout
    assert 'Revealed type is "tuple[' in printed
    assert "curbd.estimators.fitting.Fits" in printed
    assert "DataFrame" in printed
