"""The device of heavy computations is chosen once for a process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from curbd.errors import UserError
from curbd.network.tensors import device, tensor, use_device


@pytest.fixture(autouse=True)
def _device_is_left_to_the_machine() -> Iterator[None]:
    yield
    use_device("auto")


def test_the_chosen_device_holds_all_tensors() -> None:
    for name in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        use_device(name)
        assert device().type == name
        assert tensor(np.zeros(3)).device.type == name


def test_without_a_choice_a_gpu_is_used_if_there_is_one() -> None:
    use_device("auto")
    assert device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_told() -> None:
    with pytest.raises(UserError, match="found cuda, but torch finds no GPU"):
        use_device("cuda")
