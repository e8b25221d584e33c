"""Transmission of messages between regions: how far outgoing messages follow from incoming messages.

The message of a pathway is the current that the pathway carries. The transmitter index of a region is the R2, on
held-out trials, with which incoming messages predict outgoing messages: it is 1 for a region that passes on what it
receives. The generator index is 1 minus the transmitter index: it is 1 for a region that generates what it sends. The
distinction between transmission and generation follows Clark & Beiran, PNAS 2025.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.equation import Network
from curbd.network.view import view
from curbd.pathways.grades import believed_currents

Array = np.ndarray
MAX_MESSAGE_COMPONENTS = 5
"""Largest number of principal components of a message."""
MAX_LAGS = 6
"""Largest number of lags at which incoming messages predict outgoing messages."""
LONGEST_LAG_TAU = 2
"""Longest lag, in time constants of the network."""
MESSAGE_PENALTIES = 10.0 ** np.arange(-4, 5)
"""Ridge penalties, for standardised messages, among which cross-validation chooses."""
MIN_MESSAGE_SD = 1e-12
"""Smallest standard deviation by which a message is divided, in the (dimensionless) units of the state x."""


def transmitter_index(
    recording: xr.Dataset, networks: xr.Dataset, fit_index: int, pathways: pd.DataFrame | None = None
) -> dict[str, float]:
    """Compute the transmitter index of every region: the R2 with which incoming messages predict outgoing messages.

    The R2 is at least 0. If a fit inferred the rates behind noisy observations, messages are computed from inferred
    rates: the noise of observed rates is not predicted by any incoming message, and would look as if the region had
    generated it.

    Parameters
    ----------
    recording : the recording that the networks were fitted to.
    networks : the fits of one model, one per seed.
    fit_index : position of the fit among the seeds, from 0.
    pathways : the table ``pathways``; if given, only resolved pathways carry messages.

    Returns
    -------
    Region -> transmitter index, on held-out trials; NaN for a region without outgoing messages, 0 for a region without
    incoming messages.
    """
    # Rates are drawn, as the posterior mean is smoother and therefore more predictable than the rates were.
    fit = view(recording, networks, fit_index, rates="drawn")
    carrying = {(source, target) for source in fit.regions for target in fit.regions if source != target}
    if pathways is not None:
        resolved = believed_currents(pathways)
        carrying &= set(zip(resolved["source"].astype(str), resolved["target"].astype(str), strict=True))
    messages = {}
    for source in fit.sources:
        for target in fit.regions:
            current = fit.current(source, fit.region == target)
            if (source.name, target) in carrying and np.nan_to_num(current).any():
                messages[source.name, target] = _message(current, len(source.columns), fit.train)
    indices = {}
    for region in fit.regions:
        sent = [message for (source, _), message in sorted(messages.items()) if source == region]
        received = [message for (_, target), message in sorted(messages.items()) if target == region]
        indices[region] = _predicted_r2(sent, received, fit.train, fit.network) if sent else float("nan")
    return indices


def _message(current: Array, n_senders: int, train: Array) -> Array:
    """Compute the message of a pathway: the leading principal components of its current.

    Parameters
    ----------
    current : (trial, time, unit) current of the pathway, in units of x, NaN where missing.
    n_senders : number of units of the source.
    train : (trial,) bool, trials from which the components are computed.

    Returns
    -------
    (trial, time, component) message; NaN where the current is missing.
    """
    from sklearn.decomposition import PCA

    complete = np.isfinite(current).all(2)
    n_components = min(MAX_MESSAGE_COMPONENTS, n_senders, current.shape[2])
    components = PCA(n_components, svd_solver="full").fit(current[complete & train[:, None]])
    message = np.full((*current.shape[:2], n_components), np.nan)
    message[complete] = components.transform(current[complete])
    return message


def _predicted_r2(sent: list[Array], received: list[Array], train: Array, network: Network) -> float:
    """Compute the R2, at least 0, with which incoming messages at several lags predict held-out outgoing messages.

    Parameters
    ----------
    sent : outgoing messages, each (trial, time, component).
    received : incoming messages, each (trial, time, component).
    train : (trial,) bool, trials from which the regression is computed.
    network : the network, whose time constant sets the lags.

    Returns
    -------
    R2; 0 without incoming messages, NaN without complete bins in training or held-out trials.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score

    if not received:
        return 0.0
    longest_lag = LONGEST_LAG_TAU * network.tau_s / network.dt_s
    lags = np.unique(np.linspace(0, longest_lag, MAX_LAGS).round().astype(int))
    lags = lags[lags < sent[0].shape[1] // 2]
    y, z = np.concatenate(sent, axis=2), np.concatenate(received, axis=2)
    lagged = np.concatenate([_shifted(z, int(lag)) for lag in lags], axis=2)
    complete = np.isfinite(y).all(2) & np.isfinite(lagged).all(2)
    fitted, held_out = complete & train[:, None], complete & ~train[:, None]
    if not fitted.any() or not held_out.any():
        return float("nan")
    scale = np.maximum(lagged[fitted].std(0), MIN_MESSAGE_SD)
    model = RidgeCV(MESSAGE_PENALTIES).fit(lagged[fitted] / scale, y[fitted])
    r2 = r2_score(y[held_out], model.predict(lagged[held_out] / scale), multioutput="variance_weighted")
    return max(0.0, float(r2))


def _shifted(values: Array, lag: int) -> Array:
    """Shift values (trial, time, ...) to ``lag`` bins later; NaN at the start of a trial."""
    earlier = np.full_like(values, np.nan)
    earlier[:, lag:] = values[:, : values.shape[1] - lag]
    return earlier
