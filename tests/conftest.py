"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of the real recordings; tests that need them are skipped where they are not there."""
    folder = Path(os.environ.get("CURBD_RECORDINGS", ROOT / ".." / "shared" / "recordings")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; set CURBD_RECORDINGS to their folder")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def empty_nwb() -> Callable[[], NWBFile]:
    """An NWB file with nothing in it, to be filled by a test."""

    def make() -> NWBFile:
        return NWBFile("a test", "identifier", datetime(2020, 1, 1, tzinfo=UTC))

    return make


@pytest.fixture
def save_nwb(tmp_path: Path) -> Callable[..., Path]:
    """Writes an NWB file into the test's folder and returns its path."""

    def save(nwbfile: NWBFile, name: str = "recording.nwb") -> Path:
        path = tmp_path / name
        with NWBHDF5IO(path, "w") as io:
            io.write(nwbfile)
        return path

    return save
