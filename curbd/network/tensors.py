"""The device of heavy computations, and arrays as tensors on this device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from curbd.errors import UserError

if TYPE_CHECKING:
    import torch

Array = np.ndarray
_device: torch.device | None = None


def use_device(name: Literal["auto", "cpu", "cuda"]) -> None:
    """Choose the device of heavy computations for the whole process.

    Parameters
    ----------
    name : ``cpu``, ``cuda`` (a GPU), or ``auto`` for a GPU if there is one, else the CPU.

    Raises
    ------
    UserError : a GPU was asked for, and torch finds none.
    """
    import torch

    global _device
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise UserError.at(
            "device",
            found="cuda, but torch finds no GPU",
            expected="auto or cpu on this machine",
            todo="set device: auto in the config, or install torch with CUDA",
        )
    _device = torch.device("cuda" if found and name != "cpu" else "cpu")


def device() -> torch.device:
    """Return the device of heavy computations: the chosen device, else a GPU if there is one, else the CPU."""
    if _device is None:
        use_device("auto")
    assert _device is not None
    return _device


def tensor(array: Array, *, single: bool = False) -> torch.Tensor:
    """Return an array as a tensor on the device of heavy computations, in double or in single precision."""
    import torch

    dtype = np.float32 if single else np.float64
    return torch.as_tensor(np.ascontiguousarray(array, dtype=dtype), device=device())
