"""What constraints on the weights cost and gain: the table ``constraints``."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.beside_limit import beside_limit
from curbd.scores.score import ALL_REGIONS

Array = np.ndarray
MAX_COST_SHARE = 0.03
"""Constraints that lower the held-out R2 by a larger share of the unconstrained R2 contradict the data."""
MAX_P_VALUE = 0.1
"""Cell types with a larger p-value agree with the data no better than shuffled ones; with 9 shuffles, 0.1 is the
smallest p-value that there is."""


def constraint_table(networks: xr.Dataset) -> pd.DataFrame | None:
    """Build the table ``constraints``: how a fit under constraints compares with its controls.

    Parameters
    ----------
    networks : all fits of a model, the content of network.nc.

    Returns
    -------
    The table ``constraints``: a row for every fit, and one for every fit and pathway between regions or within a
    region. None for a model without constraints.
    """
    if "control_r2" not in networks:
        return None
    rows = []
    region = networks["target_region"].values.astype(str)
    names = [str(name) for name in np.unique(region)]
    everything = np.ones((len(region), len(region)), dtype=bool)
    for index, seed in enumerate(networks["seed"].values):
        fit = networks.isel(seed=index)
        label = {"recording": networks.attrs["recording"], "model": networks.attrs["model"], "seed": int(seed)}
        whole = {"target": ALL_REGIONS, "source": ALL_REGIONS}
        rows.append(label | whole | _block(fit, everything) | _held_out(fit))
        for target, source in product(names, repeat=2):
            block = (region == target)[:, None] & (region == source)[None]
            rows.append(label | {"target": target, "source": source} | _block(fit, block))
    return pd.DataFrame(rows)


def _block(fit: xr.Dataset, block: Array) -> dict[str, Any]:
    """Signs and densities of the weights of a block; block (target, source) bool."""
    J, free, sign = fit["J"].values, fit["unconstrained_J"].values, fit["sign"].values[None]
    labelled = block & (sign != 0)
    mass = np.abs(free)[labelled].sum()
    prescribed = fit["prescribed_density"].values if "prescribed_density" in fit else np.full(J.shape, np.nan)
    given = block & np.isfinite(prescribed)
    return {
        "n_excitatory": int((block.any(0) & (sign[0] > 0)).sum()),
        "n_inhibitory": int((block.any(0) & (sign[0] < 0)).sum()),
        "n_unknown": int((block.any(0) & (sign[0] == 0)).sum()),
        "wrong_sign_share": np.abs(free)[labelled & (free * sign < 0)].sum() / mass if mass > 0 else np.nan,
        "n_sign_violations": int((labelled & (J * sign < 0)).sum()),
        "density": float((J != 0)[block].mean()),
        "prescribed_share": float(given.sum() / block.sum()),
        "prescribed_density": float(prescribed[given].mean()) if given.any() else np.nan,
        "realised_density": float((J != 0)[given].mean()) if given.any() else np.nan,
    }


def _held_out(fit: xr.Dataset) -> dict[str, Any]:
    """Held-out scores of a fit and its controls, and the verdict on the constraints."""
    name = fit["control"].values.astype(str)
    share = fit["control_r2"].values
    constrained, unconstrained = float(share[0]), float(share[1])
    shuffled, displaced = share[np.char.startswith(name, "shuffled")], share[np.char.startswith(name, "displaced")]
    cost, p_value = constrained - unconstrained, _p_value(constrained, shuffled)
    row = {
        "held_out_r2": constrained,
        "unconstrained_r2": unconstrained,
        "held_out_gain": cost,
        "held_out_error_growth": -cost / (1 - unconstrained) if unconstrained < 1 else np.nan,
        "n_shuffles": len(shuffled),
        "shuffled_r2": float(np.mean(shuffled)) if len(shuffled) else np.nan,
        "shuffled_p_value": p_value,
        **_of_positions(constrained, displaced),
    }
    if not np.isfinite(constrained):
        return row | {"verdict": "untested", "reason": "no held-out transitions"}
    if cost < -MAX_COST_SHARE * abs(unconstrained):
        before = beside_limit(unconstrained, constrained, ".3f")
        after = beside_limit(constrained, unconstrained, ".3f")
        reason = f"the constraints lower the held-out R2 from {before} to {after}"
        return row | {"verdict": "contradicted", "reason": reason}
    if p_value > MAX_P_VALUE:
        reason = f"shuffled cell types predict as well (R2 {row['shuffled_r2']:.3f} instead of {constrained:.3f})"
        return row | {"verdict": "no_evidence", "reason": reason}
    if not len(shuffled):
        return row | {"verdict": "untested", "reason": "no fits with shuffled cell types"}
    worse = f"{beside_limit(row['shuffled_r2'], constrained, '.3f')} instead of {constrained:.3f}"
    reason = f"no loss of held-out R2 ({cost:+.3f}), and shuffled cell types predict worse ({worse})"
    return row | {"verdict": "supported", "reason": reason}


def _of_positions(constrained: float, displaced: Array) -> dict[str, Any]:
    """Columns on fits with shuffled positions; empty if the penalty does not depend on distance."""
    if not len(displaced):
        return {}
    p_value = _p_value(constrained, displaced)
    verdict = "untested" if np.isnan(constrained) else "supported" if p_value <= MAX_P_VALUE else "no_evidence"
    return {
        "shuffled_positions_r2": float(np.mean(displaced)),
        "shuffled_positions_p_value": p_value,
        "distance_verdict": verdict,
    }


def _p_value(constrained: float, controls: Array) -> float:
    """Share of the fits, the fit itself included, that predict at least as well; NaN without controls."""
    return (1 + int((controls >= constrained).sum())) / (1 + len(controls)) if len(controls) else np.nan
