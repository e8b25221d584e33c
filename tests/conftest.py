"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from pynwb import NWBHDF5IO, NWBFile

ROOT = Path(__file__).resolve().parent.parent


class TorchState(NamedTuple):
    """What torch keeps for the whole process.

    Attributes
    ----------
    threads : number of threads of one operation.
    dtype : type of a tensor that is made without a type.
    gradients : whether operations are recorded for gradients.
    """

    threads: int
    dtype: torch.dtype
    gradients: bool

    @classmethod
    def now(cls) -> TorchState:
        """The state of this process."""
        return cls(torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled())

    def restore(self) -> None:
        """Give the process this state."""
        torch.set_num_threads(self.threads)
        torch.set_default_dtype(self.dtype)
        torch.set_grad_enabled(self.gradients)


@pytest.fixture(autouse=True)
def _torch_is_left_as_it_was() -> Iterator[None]:
    """Fail a test that changes the state of torch for the tests that run after it, and restore that state.

    A test that needs another number of threads for itself, or calls a command that sets one, takes the fixture
    `one_thread`.
    """
    before = TorchState.now()
    yield
    after = TorchState.now()
    before.restore()
    assert after == before, f"the test left torch with {after}, and found it with {before}"


@pytest.fixture
def one_thread(_torch_is_left_as_it_was: None) -> Iterator[None]:
    """One thread for torch during a test, and the number from before afterwards."""
    before = TorchState.now()
    torch.set_num_threads(1)
    yield
    before.restore()


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
