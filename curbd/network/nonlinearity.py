"""The nonlinearities r = phi(x) of the units: tanh, relu, softplus and exponential.

The rates of tanh lie in (-1, 1). Those of the other nonlinearities are 0 or larger, and are fitted to activity that is
never negative, such as firing rates. Everything that depends on phi is a field of `Nonlinearity`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

Array = np.ndarray
LEAST_RATE = 1e-12
"""Rates below this value count as this value in the inverse of softplus and of the exponential."""
LARGEST_EXPONENT = 10.0
"""Largest state of an exponential unit, so that a network that grows without limit stays finite."""


class TensorFunction(Protocol):
    """A function that is applied to every element of a tensor."""

    def __call__(self, x: torch.Tensor, /, *, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return the values of the function at x, written into ``out`` if it is given."""


class Nonlinearity(NamedTuple):
    """The function r = phi(x) from the states to the rates of the units, and what follows from the function.

    Attributes
    ----------
    name : name in the config and in files.
    phi : states x -> rates r.
    phi_of_tensor : the same for tensors.
    inverse : rates r -> states x. The rate 0 of a silent relu unit says only that its state is not above 0: the state
        is then 0.
    slope : rates r -> slopes dr/dx at the states of these rates.
    hides_silent : True if the state of a silent unit is unknown, as with relu.
    never_negative : True if all rates are 0 or larger.
    sharpness : how steeply softplus bends: softplus(x) = log(1 + exp(sharpness x)) / sharpness. 1 for the others.
    """

    name: str
    phi: Callable[[Array], Array]
    phi_of_tensor: TensorFunction
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    hides_silent: bool = False
    never_negative: bool = True
    sharpness: float = 1.0

    def __reduce__(self) -> tuple[Callable[..., Nonlinearity], tuple[str, float]]:
        """Pickle a nonlinearity by its name, because functions have no value that could be stored."""
        return nonlinearity_of, (self.name, self.sharpness)

    def known_states(self, r: Array) -> Array:
        """Return the states of rates r, NaN where the state is unknown because the unit is silent."""
        return np.where(r > 0, r, np.nan) if self.hides_silent else self.inverse(r)

    def log_slope(self, r: Array) -> Array:
        """Return the logarithm of the slopes dr/dx at rates r: minus the log Jacobian of the states.

        A density p(x) of states is the density p(x) / slope of rates, by which nonlinearities can be compared.
        """
        return np.log(self.slope(r))


def _relu(x: torch.Tensor, /, *, out: torch.Tensor | None = None) -> torch.Tensor:
    import torch

    return torch.clamp(x, min=0.0, out=out)


def _tanh(x: torch.Tensor, /, *, out: torch.Tensor | None = None) -> torch.Tensor:
    import torch

    return torch.tanh(x, out=out)


def _exponential(x: torch.Tensor, /, *, out: torch.Tensor | None = None) -> torch.Tensor:
    import torch

    return torch.exp(torch.clamp(x, max=LARGEST_EXPONENT), out=out)


TANH = Nonlinearity(
    name="tanh",
    phi=np.tanh,
    phi_of_tensor=_tanh,
    inverse=np.arctanh,
    slope=lambda r: 1 - r**2,
    never_negative=False,
)
RELU = Nonlinearity(
    name="relu",
    phi=lambda x: np.maximum(x, 0.0),
    phi_of_tensor=_relu,
    inverse=lambda r: np.maximum(r, 0.0),
    slope=lambda r: (r > 0).astype(float),
    hides_silent=True,
)
EXPONENTIAL = Nonlinearity(
    name="exponential",
    phi=lambda x: np.exp(np.minimum(x, LARGEST_EXPONENT)),
    phi_of_tensor=_exponential,
    inverse=lambda r: np.log(np.maximum(r, LEAST_RATE)),
    slope=lambda r: np.maximum(r, LEAST_RATE),
)


def softplus(sharpness: float = 1.0) -> Nonlinearity:
    """Return the nonlinearity r = log(1 + exp(k x)) / k, with the sharpness k: exponential below 0, linear above 0.

    Parameters
    ----------
    sharpness : k. The larger k is, the more softplus is like relu at rates that are much larger than 1 / k.
    """

    def of_tensor(x: torch.Tensor, /, *, out: torch.Tensor | None = None) -> torch.Tensor:
        import torch

        return torch.logaddexp(sharpness * x, torch.zeros_like(x), out=out).div_(sharpness)

    def inverse(r: Array) -> Array:
        scaled = sharpness * np.maximum(r, LEAST_RATE)
        return (scaled + np.log(-np.expm1(-scaled))) / sharpness

    return Nonlinearity(
        name="softplus",
        phi=lambda x: np.logaddexp(sharpness * x, 0.0) / sharpness,
        phi_of_tensor=of_tensor,
        inverse=inverse,
        slope=lambda r: -np.expm1(-sharpness * np.maximum(r, LEAST_RATE)),
        sharpness=sharpness,
    )


def nonlinearity_of(name: str, sharpness: float = 1.0) -> Nonlinearity:
    """Return a nonlinearity by its name; the sharpness is that of softplus."""
    return {"tanh": TANH, "relu": RELU, "exponential": EXPONENTIAL, "softplus": softplus(sharpness)}[name]
