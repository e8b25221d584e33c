"""In-silico experiments: silence, clamp, scale, drive or cut parts of fitted networks, and compare with the intact run.

``menu`` turns the config into perturbations, ``propagate`` runs them, ``effects`` averages what they do, ``nulls`` and
``support`` say what can be believed, ``tabulate`` and ``interactions`` write it down; ``bench`` does all of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import xarray as xr

from curbd.inactivation.bench import run_experiments
from curbd.inactivation.tabulate import inactivation_table
from curbd.settings.experiments import ExperimentSettings, Inactivation

__all__ = ["inactivate", "run_experiments"]


def inactivate(
    recording: xr.Dataset,
    networks: xr.Dataset,
    experiments: Mapping[str, Inactivation],
    truth: xr.Dataset | None = None,
    *,
    bench: ExperimentSettings | None = None,
    pathways: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The table ``inactivations``: what each experiment does to each region.

    The effect is the perturbed minus the intact run of the network, both from the recorded state of every trial at the
    onset of the window, with the recorded inputs and without noise. The rate of a silenced unit is held at that of a
    unit that does not fire (0; for spike counts, `scaling: counts`, -1), by the share ``strength`` of the way; its
    state goes on. `run_experiments` gives the other tables as well.

    Parameters
    ----------
    truth : the network behind a teacher recording; adds the columns ``true_r2``, ``true_rms`` and ``true_mean``.
    bench : how the experiments are run and judged.
    pathways : the table ``pathways`` of the same fits; without it no effect has a verdict.

    Raises
    ------
    UserError : an experiment names a region, unit or input that the recording has not, or a window outside its trials.
    """
    return inactivation_table(run_experiments(recording, networks, experiments, truth, bench=bench), pathways)
