"""In-silico experiments: silence, clamp, scale, drive or cut parts of fitted networks, and compare with intact runs.

``perturbations`` turns the config into perturbations of one recording, with the units that ``selection`` chooses.
``experiments`` runs all of them: ``effects`` averages what they change, ``readouts`` predicts behaviour from rates, and
``nulls`` compares effects with effects of random groups of units. ``tabulate`` and ``interactions`` (with ``messages``)
write the tables, with the verdicts of ``support``. ``check`` finds mistakes in experiments before any fit, and
``comparison`` compares predictions with real perturbations.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import xarray as xr

from curbd.inactivation.experiments import run_experiments
from curbd.inactivation.tabulate import inactivation_table
from curbd.settings.experiments import ExperimentSettings, Inactivation

__all__ = ["inactivate", "run_experiments"]


def inactivate(
    recording: xr.Dataset,
    networks: xr.Dataset,
    experiments: Mapping[str, Inactivation],
    truth: xr.Dataset | None = None,
    *,
    settings: ExperimentSettings | None = None,
    pathways: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Run in-silico experiments on fitted networks and return the table ``inactivations``: the effects on each region.

    The effect is the difference between the perturbed and the intact simulation of a network. Both simulations start
    from the recorded state of every trial at the onset of the time window and receive the recorded inputs, without
    noise unless the settings ask for noise. The rate of a silenced unit is moved by the share ``strength`` towards the
    rate of a unit that does not fire: 0, or -1 for spike counts (`scaling: counts`). The state x of a silenced unit
    keeps evolving. The outcome of `run_experiments` gives the other tables as well.

    Parameters
    ----------
    recording : the recording that the networks were fitted to.
    networks : the fits of one model, one per seed.
    experiments : name of the experiment -> its settings, as under ``inactivations`` in the config.
    truth : the network behind a teacher recording; adds the columns ``true_r2``, ``true_rms`` and ``true_mean``.
    settings : how the experiments are run and tested; None for the defaults.
    pathways : the table ``pathways`` of these fits; without this table no effect has a verdict.

    Returns
    -------
    The table ``inactivations``, one row per seed, perturbation, target and condition.

    Raises
    ------
    UserError : an experiment names a region, unit or input that the recording does not have, or a time window outside
        the trials.
    """
    return inactivation_table(run_experiments(recording, networks, experiments, truth, settings=settings), pathways)
