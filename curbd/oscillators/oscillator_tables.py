"""The tables about the oscillators of a recording: every channel, and the force of every region on every other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.network.oscillators import Oscillators, forces_by_source
from curbd.oscillators.fitting import (
    fit_channel,
    fit_oscillators,
    required_samples,
    smoothed,
    smoothing_sd,
)

Array = np.ndarray


class OscillatorTables(NamedTuple):
    """The tables of one recording.

    Attributes
    ----------
    oscillators : the table ``oscillators``, one row per channel.
    forces : the table ``oscillator_forces``, one row per target region and source.
    """

    oscillators: pd.DataFrame
    forces: pd.DataFrame


def oscillator_tables(recording: xr.Dataset) -> OscillatorTables:
    """Fit oscillators to the training trials of a recording of fields, and measure them on its test trials.

    Parameters
    ----------
    recording : the recording, the content of recording.nc.

    Returns
    -------
    The tables of the recording.

    Raises
    ------
    UserError : no training or no test trial is complete, or trials are shorter than two periods of the oscillations.
    """
    train, test = _complete_trials(recording)
    region = recording["region"].values.astype(str)
    dt_s = float(recording.attrs["dt_s"])
    fitted = fit_oscillators(*train, dt_s)
    sds = smoothing_sd(train[0])
    gains = _held_out(train, test, dt_s, sds, region)
    names = {"recording": recording.attrs["recording"]}
    quality = fitted.omega / (2 * np.where(fitted.gamma > 0, fitted.gamma, np.nan))
    oscillators = pd.DataFrame(
        {
            **names,
            "unit_id": recording["unit_id"].values.astype(str),
            "region": region,
            "frequency_hz": np.where(fitted.omega > 0, fitted.omega, np.nan) / (2 * np.pi),
            "damping_per_s": fitted.gamma,
            "quality": quality,
            "held_out_r2": gains[""],
        }
    )
    forces = [
        names | row | {"held_out_gain": gains[row["source"]][region == row["target"]].mean()}
        for row in _forces(fitted, test, region)
    ]
    return OscillatorTables(oscillators, pd.DataFrame(forces))


def _complete_trials(recording: xr.Dataset) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return fields and inputs of the complete training trials, and of the complete test trials."""
    x = recording["rates"].transpose("trial", "time", "unit").values
    u = recording["inputs"].transpose("trial", "time", "input").values
    complete = np.isfinite(x).all((1, 2)) & np.isfinite(u).all((1, 2))
    train = recording["split"].values == "train"
    where = f"recording {recording.attrs['recording']}, oscillators"
    for kind, chosen in (("training", complete & train), ("test", complete & ~train)):
        if not chosen.any():
            raise UserError.at(
                where,
                found=f"no {kind} trial in which every channel has a value in every bin",
                expected="complete trials, on which oscillators are fitted and tested",
                todo="set windows that the recording covers, or blocks (windows.block_s)",
            )
    needed = required_samples(smoothing_sd(x[complete & train]))
    if x.shape[1] < needed:
        raise UserError.at(
            where,
            found=f"trials of {x.shape[1]} bins",
            expected=f"at least {needed} bins, about two periods of the oscillations",
            todo="set longer windows, or longer blocks (windows.block_s)",
        )
    chosen = complete & train
    return (x[chosen], u[chosen]), (x[complete & ~train], u[complete & ~train])


def _held_out(
    train: tuple[Array, Array], test: tuple[Array, Array], dt_s: float, sds: Array, region: Array
) -> dict[str, Array]:
    """Return held-out R2 of the smoothed acceleration (channel,), and what every other region and the inputs add to it.

    The key of the R2 itself is an empty string.
    """
    names = [str(name) for name in np.unique(region)]
    gains = {name: np.zeros(len(region)) for name in ("", *names, "inputs")}
    for channel, sd in enumerate(sds):
        seen, unseen = smoothed(*train, dt_s, sd), smoothed(*test, dt_s, sd)
        full = fit_channel(seen, channel).held_out_r2(unseen, channel)
        gains[""][channel] = full
        for name in names:
            without = fit_channel(seen, channel, left_out=region == name)
            gains[name][channel] = full - without.held_out_r2(unseen, channel)
        alone = fit_channel(seen._replace(u=seen.u[:, :0]), channel)
        gains["inputs"][channel] = full - alone.held_out_r2(unseen._replace(u=unseen.u[:, :0]), channel)
    return gains


def _forces(fitted: Oscillators, test: tuple[Array, Array], region: Array) -> list[dict[str, Any]]:
    """Return the size of the force of every source on every region in the test trials, one row each."""
    x, u = test
    y = np.diff(x, axis=1) / fitted.dt_s
    rows = []
    forces = forces_by_source(fitted, y, u[:, 1:], region)
    for target in np.unique(region):
        variances = {name: force[..., region == target].var((0, 1)).sum() for name, force in forces.items()}
        total = sum(variances.values())
        for source, force in forces.items():
            if source == "bias" or (source == "inputs" and not u.shape[2]):
                continue
            rms = np.sqrt((force[..., region == target] ** 2).mean())
            share = variances[source] / total if total > 0 else 0.0
            rows.append({"target": str(target), "source": source, "rms": float(rms), "share": float(share)})
    return rows
