"""The device of heavy computations, and arrays as tensors on this device."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

Array = np.ndarray


@cache
def device() -> torch.device:
    """Return the device of heavy computations: a GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def tensor(array: Array) -> torch.Tensor:
    """Return an array as a float64 tensor on the device of heavy computations."""
    return torch.as_tensor(np.ascontiguousarray(array, dtype=np.float64), device=device())
