"""Pip, conda and the lock file install the same packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "lazy-loader": "lazy_loader",
    "snakemake": "snakemake-minimal",
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def dependencies() -> list[Requirement]:
    return [Requirement(text) for text in PROJECT["project"]["dependencies"]]


def test_conda_installs_what_pip_installs() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = {re.split(r"[><=]", text)[0]: text for text in environment["dependencies"]}
    pip = {
        CONDA_NAMES.get(requirement.name, requirement.name): str(requirement.specifier)
        for requirement in dependencies()
    }
    assert conda.pop("python") == f"python{PROJECT['project']['requires-python']}"
    # Pip installs pygments as an extra of snakemake; conda has no extras.
    assert conda.pop("pygments") == "pygments"
    assert {name: text.removeprefix(name) for name, text in conda.items()} == pip


def test_the_lock_pins_every_direct_dependency_inside_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {canonical(name): version for name, version in pins.items()}
    extras = [Requirement(text) for group in PROJECT["project"]["optional-dependencies"].values() for text in group]
    requirements = {canonical(requirement.name): requirement for requirement in [*dependencies(), *extras]}
    assert pins.keys() == requirements.keys()
    for name, requirement in requirements.items():
        assert requirement.specifier.contains(pins[name]), f"{name}: {pins[name]} is outside {requirement.specifier}"
    assert pins["torch"] == "2.13.0"


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["project"]["version"]
    assert f"## {PROJECT['project']['version']}" in (ROOT / "CHANGES.md").read_text(encoding="utf-8")
