"""What pip, conda and the lock install is the same; the wheel holds every package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from setuptools import find_packages

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


def needed() -> list[Requirement]:
    return [Requirement(text) for text in PROJECT["project"]["dependencies"]]


def test_conda_installs_what_pip_installs() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = {re.split(r"[><=]", text)[0]: text for text in environment["dependencies"]}
    pip = {CONDA_NAMES.get(item.name, item.name): str(item.specifier) for item in needed()}
    assert conda.pop("python") == f"python{PROJECT['project']['requires-python']}"
    # The reports extra of snakemake; conda has no extras.
    assert conda.pop("pygments") == "pygments"
    assert {name: text.removeprefix(name) for name, text in conda.items()} == pip


def test_the_lock_pins_every_direct_dependency_inside_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {canonical(name): version for name, version in pins.items()}
    extras = [Requirement(text) for group in PROJECT["project"]["optional-dependencies"].values() for text in group]
    wanted = {canonical(item.name): item for item in [*needed(), *extras]}
    assert pins.keys() == wanted.keys()
    for name, item in wanted.items():
        assert item.specifier.contains(pins[name]), f"{name}: {pins[name]} is outside {item.specifier}"
    assert pins["torch"] == "2.13.0"


def test_the_wheel_holds_every_package() -> None:
    wanted = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    found = set(find_packages(str(ROOT), include=wanted))
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("curbd", "lrfit")
        for path in (ROOT / top).rglob("*.py")
    }
    assert found == folders


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["project"]["version"]
    assert f"## {PROJECT['project']['version']}" in (ROOT / "CHANGES.md").read_text(encoding="utf-8")
