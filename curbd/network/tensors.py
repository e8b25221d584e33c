"""Where heavy computations run, and arrays as tensors there."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

Array = np.ndarray


@cache
def device() -> torch.device:
    """The device of heavy computations: a GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def tensor(array: Array) -> torch.Tensor:
    """Array as a float64 tensor on the device."""
    return torch.as_tensor(np.ascontiguousarray(array, dtype=np.float64), device=device())
