"""The equation of all networks: tau dx/dt = -x + J r + B u + b + noise, r = phi(x).

Units that adapt also receive the current of `curbd.network.adaptation`. The nonlinearity phi is tanh unless a network
has another (`curbd.network.nonlinearity`). States x and currents are dimensionless, rates r of tanh lie in (-1, 1), and
times are in seconds. Each sample is simulated in a whole number of Euler steps, and inputs are constant over a sample.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from curbd.network.adaptation import Adaptation, RunningAdaptation
from curbd.network.nonlinearity import TANH, Nonlinearity
from curbd.network.tensors import tensor

Array = np.ndarray
SINGLE_PRECISION_UNITS = 200
"""Fitted networks of at least this number of units are simulated in single precision, unless a run is long."""
SINGLE_PRECISION_TIME_CONSTANTS = 50
"""Longest run in single precision, in time constants."""
TimeConstant = float | Array
"""A time constant of all units, s, or one for each unit (unit,)."""


class Network(NamedTuple):
    """A fitted or constructed network: tau dx/dt = -x + J r + B u + b with states x, rates r and inputs u.

    Attributes
    ----------
    J : (target, source) recurrent weights, which act on the rates r = phi(x).
    B : (target, input) input weights, which act on the inputs u.
    b : (target,) bias.
    tau_s : time constant of all units, s; if the time constants of the units differ, their geometric mean.
    dt_s : time between samples, s; inputs are constant over a sample.
    substeps : number of Euler steps in a sample.
    adaptation : adaptation of the units, or None.
    nonlinearity : the function phi from states to rates.
    unit_tau_s : (unit,) time constants of the units, s, if they differ; None if all units have the same. Networks whose
        time constants differ have one Euler step in a sample.
    """

    J: Array
    B: Array
    b: Array
    tau_s: float
    dt_s: float
    substeps: int = 1
    adaptation: Adaptation | None = None
    nonlinearity: Nonlinearity = TANH
    unit_tau_s: Array | None = None

    @property
    def time_constant_s(self) -> TimeConstant:
        """Time constant of all units, s: a number; or, if they differ, one for each unit (unit,)."""
        return self.tau_s if self.unit_tau_s is None else self.unit_tau_s

    @property
    def euler_step(self) -> Any:
        """Length of an Euler step in time constants, dt / (substeps tau): a number, or one for each unit (unit,)."""
        return self.dt_s / (self.substeps * self.time_constant_s)

    def alone(self, units: Array) -> Network:
        """Return the network of some units (unit,), given by index, without all others."""
        adaptation = self.adaptation
        if adaptation is not None:
            adaptation = adaptation._replace(strength=adaptation.strength[units], start=adaptation.start[units])
        return self._replace(
            J=self.J[np.ix_(units, units)],
            B=self.B[units],
            b=self.b[units],
            adaptation=adaptation,
            unit_tau_s=None if self.unit_tau_s is None else self.unit_tau_s[units],
        )

    @property
    def decay(self) -> Any:
        """Share of a state that is left after one sample: a number (see `decay`), or one for each unit (unit,)."""
        return decay(self.dt_s, self.time_constant_s, self.substeps)

    def simulated_in_single_precision(self, n_bins: int) -> bool:
        """Return whether runs of some bins are simulated in single precision.

        Runs of large networks are, because rounding errors are far below the errors of the weights and products take
        half the time. In long runs, a chaotic network would magnify rounding errors to the size of the rates.
        """
        time_constants = n_bins * self.dt_s / float(np.min(self.time_constant_s))
        return len(self.b) >= SINGLE_PRECISION_UNITS and time_constants <= SINGLE_PRECISION_TIME_CONSTANTS


def weights(network: Network) -> Array:
    """Return all weights of a network as one matrix W = [J, B, b] (unit, regressor), for the regressors [r, u, 1]."""
    return np.concatenate([network.J, network.B, network.b[:, None]], axis=1)


def simulate(
    network: Network,
    x0: Array,
    inputs: Array,
    *,
    drive: Array | None = None,
    gain: Array | None = None,
    silent: float = 0.0,
    adapted: Array | None = None,
    noise_sd: float = 0.0,
    rng: np.random.Generator | None = None,
    single: bool = False,
) -> Array:
    """Simulate a network from given initial states and return its rates, the rates of the initial states included.

    Parameters
    ----------
    network : the network that is simulated.
    x0 : (trial, unit) states at the first sample, dimensionless.
    inputs : (trial, time, input) inputs u; the simulation has as many samples as the inputs.
    drive : (trial, time, unit) additional external current, in the (dimensionless) units of the state x.
    gain : (trial or 1, time, unit) multiplier of the rates above ``silent``, 0 for a silenced unit.
    silent : rate of a silenced unit.
    adapted : (trial, unit) adaptation at the first sample; None for the adaptation at the start of a trial.
    noise_sd : standard deviation of the noise that is added to x in each Euler step; needs ``rng``.
    rng : random generator of the noise.
    single : whether to simulate in single precision.

    Returns
    -------
    r : (trial, time, unit) rates, with the gain applied.

    Examples
    --------
    A unit without connections forgets its state with the time constant:

    >>> network = Network(np.zeros((1, 1)), np.zeros((1, 0)), np.zeros(1), tau_s=0.1, dt_s=0.05)
    >>> np.arctanh(simulate(network, x0=np.array([[0.8]]), inputs=np.zeros((1, 4, 0))))[0, :, 0].round(3)
    array([0.8, 0.4, 0.2, 0.1])
    """
    import torch

    def in_precision(values: Array) -> torch.Tensor:
        return tensor(values, single=single)

    n_trials, n_samples = inputs.shape[0], inputs.shape[1]
    J_t, b = in_precision(network.J.T), in_precision(network.b)
    external = b + in_precision(inputs) @ in_precision(network.B.T)
    if drive is not None:
        external = external + in_precision(drive)
    factor = None if gain is None else in_precision(gain)
    step = _as_factor(network.euler_step)
    if isinstance(step, torch.Tensor):
        step = step.to(J_t.dtype)
    phi = network.nonlinearity.phi_of_tensor
    x = in_precision(x0)
    adaptation = None
    if network.adaptation is not None:
        start = np.broadcast_to(network.adaptation.start, x0.shape) if adapted is None else adapted
        adaptation = RunningAdaptation([network.adaptation], network.dt_s, in_precision(start)[None])
    rates = torch.empty((n_trials, n_samples, network.J.shape[0]), dtype=x.dtype, device=x.device)
    for t in range(n_samples):
        r = phi(x) if factor is None else silent + (phi(x) - silent) * factor[:, t]
        rates[:, t] = r
        if t == n_samples - 1:
            break
        external_now = external[:, t]
        if adaptation is not None:
            external_now = external_now + adaptation.current_and_next(r)[0]
        for substep in range(network.substeps):
            if substep:
                r = phi(x) if factor is None else silent + (phi(x) - silent) * factor[:, t]
            x = x + step * (r @ J_t + external_now - x)
            if rng is not None and noise_sd:
                x = x + noise_sd * in_precision(rng.standard_normal((n_trials, x.shape[1])))
    return rates.double().cpu().numpy()


class Starts(NamedTuple):
    """The first complete bin of every trial, from which free runs of a network start.

    Attributes
    ----------
    first : (trial,) index of the first bin in which all units have a rate.
    n_bins : number of bins of the recording.
    """

    first: Array
    n_bins: int

    @classmethod
    def of(cls, r: Array) -> Starts:
        """Find the first bin of every trial in which no rate is missing, from recorded rates r (trial, time, unit)."""
        return cls(np.isfinite(r).all(2).argmax(1), r.shape[1])

    def states(self, r: Array, nonlinearity: Nonlinearity) -> Array:
        """Return the recorded states (trial, unit) at the starts, from recorded rates (trial, time, unit)."""
        return nonlinearity.inverse(r[np.arange(len(r)), self.first])

    def moved_ahead(self, values: Array) -> Array:
        """Move values (trial, time, ...) so that bin 0 of every trial is its start; the last bin is repeated."""
        bins = np.minimum(self.first[:, None] + np.arange(self.n_bins), self.n_bins - 1)
        return np.take_along_axis(np.nan_to_num(values), bins[..., None], axis=1)

    def moved_back(self, values: Array) -> Array:
        """Move simulated values (..., trial, time, unit) back to the bins of the recording; NaN before the start."""
        since = np.arange(self.n_bins) - self.first[:, None]
        index = np.broadcast_to(np.maximum(since, 0)[..., None], values.shape)
        moved = np.take_along_axis(values, index, axis=-2)
        moved[..., since < 0, :] = np.nan
        return moved


def free_run(network: Network, r: Array, inputs: Array, *, drive: Array | None = None) -> Array:
    """Simulate a network from the recorded state in the first complete bin of every trial.

    Parameters
    ----------
    network : the network that is simulated.
    r : (trial, time, unit) recorded rates, NaN where missing; only the first complete bin of each trial is used.
    inputs : (trial, time, input) inputs u.
    drive : (trial, time, unit) additional external current, in the (dimensionless) units of the state x.

    Returns
    -------
    r : (trial, time, unit) simulated rates, NaN before the start.
    """
    starts = Starts.of(r)
    drive_ahead = None if drive is None else starts.moved_ahead(drive)
    x0 = starts.states(r, network.nonlinearity)
    single = network.simulated_in_single_precision(r.shape[1])
    return starts.moved_back(simulate(network, x0, starts.moved_ahead(inputs), drive=drive_ahead, single=single))


def rates_inside_step(network: Network, x: Array, constant: Array) -> Array:
    """Average the rates over the Euler steps inside one sample, weighted as they act on the next sample.

    The state of the next sample is D x + (1 - D)(J z + B u + b). Here a = dt / (substeps tau) is the length of an Euler
    step, D = (1 - a)^substeps is the share of the state x that is left after one sample, and z are the mean rates: the
    mean over the Euler steps k with weights a (1 - a)^(substeps - 1 - k) / (1 - D). Recordings contain no rates between
    samples, so the network is simulated from the state of each sample to the next.

    Parameters
    ----------
    network : the network that is simulated inside each sample.
    x : (sample, unit) states at the samples.
    constant : (sample, unit) external current B u + b during the samples.

    Returns
    -------
    z : (sample, unit) mean rates.
    """
    import torch

    if network.substeps == 1:
        return network.nonlinearity.phi(x)
    step = network.euler_step
    step_weights = step * (1 - step) ** np.arange(network.substeps)[::-1]
    step_weights /= step_weights.sum()
    state, J_t, external = tensor(x), tensor(network.J.T), tensor(constant)
    mean = torch.zeros_like(state)
    for weight in step_weights:
        r = network.nonlinearity.phi_of_tensor(state)
        mean += float(weight) * r
        state = state + step * (r @ J_t + external - state)
    return mean.cpu().numpy()


def decay(dt_s: float, tau_s: TimeConstant, substeps: int) -> Any:
    """Return the share D of a state that is left after one sample without input: (1 - dt / (substeps tau))^substeps.

    Parameters
    ----------
    dt_s : time between samples, s.
    tau_s : time constant, s: a number, or one for each unit (unit,).
    substeps : number of Euler steps in a sample.

    Returns
    -------
    D : share, from 0 to 1: a number, or one for each unit (unit,).
    """
    share = (1 - dt_s / (substeps * tau_s)) ** substeps
    return share if isinstance(share, np.ndarray) else float(share)


def _as_factor(step: Any) -> Any:
    """The factor of a state (..., unit) as a number, or as a tensor (unit,)."""
    return tensor(step) if isinstance(step, np.ndarray) else step


def total_current(x: Array, x_next: Array, D: Any) -> Array:
    """Compute the total current y = (x_next - D x) / (1 - D) that carries each state to the state one sample later.

    In a network without noise, y = J z + B u + b, where z are the mean rates inside the sample, u the inputs, and J, B
    and b the weights and the bias of the network.

    Parameters
    ----------
    x, x_next : (..., unit) states at consecutive samples, dimensionless.
    D : share of x that is left after one sample without input (see `decay`), a number or (unit,).

    Returns
    -------
    y : (..., unit) total current, in the (dimensionless) units of the state x; NaN if either state is missing.
    """
    return (x_next - D * x) / (1 - D)
