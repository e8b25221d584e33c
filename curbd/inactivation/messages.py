"""Which regions generate what they send, and which pass on what they receive.

The message of a pathway is the current that it carries. A region transmits in so far as its outgoing messages can be
predicted from its incoming ones: the transmitter index is that R2 on held-out trials, the generator index the rest
(Clark & Beiran, PNAS 2025, where what regions say to one another is split in this way).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score

from curbd.network.equation import Network
from curbd.network.view import view

Array = np.ndarray
COMPONENTS = 5
"""Principal components of a message, at most."""
LAGS = 6
"""Earlier times of the incoming messages, from 0 to two time constants."""
PENALTIES = 10.0 ** np.arange(-4, 5)


def transmitter_index(
    recording: xr.Dataset, networks: xr.Dataset, fit_index: int, pathways: pd.DataFrame | None = None
) -> dict[str, float]:
    """Share of every region's outgoing messages that its incoming ones predict on held-out trials, 0 at least.

    Messages are evaluated at the rates that the fit inferred behind noisy ones, where it did: the noise of observed
    rates foretells nothing, and looks as if the region had generated it.

    Parameters
    ----------
    fit_index : which of the fits, by its place among the seeds.
    pathways : the table ``pathways``; with it only resolved pathways carry messages.

    Returns
    -------
    Region -> index; NaN for a region that sends nothing, 0 for one that receives nothing.
    """
    # A draw: the posterior mean is smoother than the rates were, and more of it can be predicted.
    fit = view(recording, networks, fit_index, rates="drawn")
    open_ways = {(source, target) for source in fit.regions for target in fit.regions if source != target}
    if pathways is not None:
        resolved = pathways[pathways["verdict"] == "resolved"]
        open_ways &= set(zip(resolved["source"].astype(str), resolved["target"].astype(str), strict=True))
    messages = {}
    for source in fit.sources:
        for target in fit.regions:
            current = fit.current(source, fit.region == target)
            if (source.name, target) in open_ways and np.nan_to_num(current).any():
                messages[source.name, target] = _message(current, len(source.columns), fit.train)
    index = {}
    for region in fit.regions:
        sent = [message for (source, _), message in sorted(messages.items()) if source == region]
        received = [message for (_, target), message in sorted(messages.items()) if target == region]
        index[region] = _predicted(sent, received, fit.train, fit.network) if sent else float("nan")
    return index


def _message(current: Array, n_senders: int, train: Array) -> Array:
    """Leading components of the current of a pathway.

    Parameters
    ----------
    current : (trial, time, unit) current of the pathway, NaN where missing.
    n_senders : units of the source.
    train : (trial,) trials from which the components are computed.

    Returns
    -------
    (trial, time, component) NaN where the current is missing.
    """
    known = np.isfinite(current).all(2)
    n_components = min(COMPONENTS, n_senders, current.shape[2])
    components = PCA(n_components, svd_solver="full").fit(current[known & train[:, None]])
    out = np.full((*current.shape[:2], n_components), np.nan)
    out[known] = components.transform(current[known])
    return out


def _predicted(sent: list[Array], received: list[Array], train: Array, network: Network) -> float:
    if not received:
        return 0.0
    lags = np.unique(np.linspace(0, 2 * network.tau_s / network.dt_s, LAGS).round().astype(int))
    lags = lags[lags < sent[0].shape[1] // 2]
    y, z = np.concatenate(sent, axis=2), np.concatenate(received, axis=2)
    earlier = np.concatenate([_shifted(z, int(lag)) for lag in lags], axis=2)
    known = np.isfinite(y).all(2) & np.isfinite(earlier).all(2)
    fitted, held_out = known & train[:, None], known & ~train[:, None]
    if not fitted.any() or not held_out.any():
        return float("nan")
    scale = np.maximum(earlier[fitted].std(0), 1e-12)
    model = RidgeCV(PENALTIES).fit(earlier[fitted] / scale, y[fitted])
    r2 = r2_score(y[held_out], model.predict(earlier[held_out] / scale), multioutput="variance_weighted")
    return max(0.0, float(r2))


def _shifted(values: Array, lag: int) -> Array:
    """Values (trial, time, ...) some bins earlier; NaN at the start of a trial."""
    out = np.full_like(values, np.nan)
    out[:, lag:] = values[:, : values.shape[1] - lag]
    return out
