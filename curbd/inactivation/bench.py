"""The bench: every experiment on every fitted network of a recording, and the tables that tell what they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.inactivation.effects import Effects, Targets, Trials, effects
from curbd.inactivation.menu import Subject, perturbations
from curbd.inactivation.nulls import Null, null
from curbd.inactivation.perturbation import Perturbation
from curbd.inactivation.propagate import Networks
from curbd.inactivation.readouts import Readout, readouts
from curbd.network.equation import Network, phi_inverse
from curbd.network.file import member, posterior_draws
from curbd.network.residual import one_step_residual
from curbd.network.truth import true_network
from curbd.network.view import at_inferred_rates, with_hidden_inputs
from curbd.progress import progress
from curbd.recording.scaling import scaled_rates
from curbd.settings.experiments import ExperimentSettings, Inactivation

Array = np.ndarray


class Outcome(NamedTuple):
    """Everything that was found about the experiments on one model of one recording.

    Attributes
    ----------
    recording : with the hidden inputs of the first fit.
    networks : the fitted networks.
    plan : the perturbations.
    regions : names of the regions, the first targets; then come latents and readouts.
    latents : how many latents are targets.
    readouts : behavioural variables, the last targets.
    conditions : their names.
    fits : effects in the fits, one a seed, then in networks drawn from the posterior of the first.
    truth : effects in the true network, or None.
    null : of the effects on all targets.
    members : the networks behind ``fits``.
    trials : where their runs may start.
    """

    recording: xr.Dataset
    networks: xr.Dataset
    plan: list[Perturbation]
    regions: list[str]
    latents: int
    readouts: list[Readout]
    conditions: list[str]
    fits: Effects
    truth: Effects | None
    null: Null
    members: Networks
    trials: Trials

    @property
    def n_seeds(self) -> int:
        """How many fits there are; members beyond them are drawn from the posterior."""
        return int(self.networks.sizes["seed"])

    @property
    def targets(self) -> list[str]:
        """Names of the targets in the tables."""
        latents = [f"latent:{number}" for number in range(1, self.latents + 1)]
        return [*self.regions, *latents, *(f"readout:{one.name}" for one in self.readouts)]

    @property
    def target_kinds(self) -> list[str]:
        """region, latent or readout, for each target."""
        return ["region"] * len(self.regions) + ["latent"] * self.latents + ["readout"] * len(self.readouts)

    @property
    def direct(self) -> Array:
        """(perturbation, unit) whose activity is set or pushed directly."""
        units = [one.action.direct for one in self.plan]
        return np.array(units, dtype=bool).reshape(len(self.plan), self.recording.sizes["unit"])


def run_experiments(
    recording: xr.Dataset,
    networks: xr.Dataset,
    experiments: Mapping[str, Inactivation],
    truth: xr.Dataset | None = None,
    *,
    bench: ExperimentSettings | None = None,
    populations: pd.DataFrame | None = None,
) -> Outcome:
    """Run every experiment on every fit, from the recorded state of every trial at the onset of its window.

    Where none is left, as a network of full rank has no latents and no populations, nothing is run and the tables are
    empty.

    Parameters
    ----------
    recording, networks : what was fitted, and the fits.
    experiments : name -> what is done.
    truth : the network behind a teacher recording.
    bench : how the experiments are run and judged.
    populations : table with the columns unit_id and population, for low-rank networks.

    Raises
    ------
    UserError : an experiment names what the recording has not, or contradicts itself.
    """
    bench = bench or ExperimentSettings()
    whole = with_hidden_inputs(recording, networks, 0)
    n_latents = networks.sizes.get("rank", 0) if "m" in networks else 0
    plan = perturbations(Subject(whole, n_latents, populations), experiments)
    region = recording["region"].values.astype(str)
    names = [str(name) for name in np.unique(region)]
    regions = np.stack([region == name for name in names])
    conditions = [str(name) for name in np.unique(recording["condition"].values.astype(str))]
    trials = _trials(at_inferred_rates(recording, networks, 0), conditions)
    fits = _fits(recording, networks, bench)
    read = readouts(recording, bench.readout)
    alive_units = np.array([alive(one, regions) for one in plan], dtype=float).reshape(len(plan), *regions.shape)
    targets = Targets(alive_units, _projections(fits, n_latents, read))
    with progress(len(plan), "experiments") as advance:
        of_fits, of_truth = effects(
            fits,
            plan,
            trials,
            targets,
            _truth(recording, truth, fits),
            n_fits=networks.sizes["seed"],
            noise_draws=bench.noise_draws,
            seed=bench.seed,
            advance=advance,
        )
    by_chance = null(
        fits.first(networks.sizes["seed"]),
        plan,
        regions,
        names,
        targets.projections[: networks.sizes["seed"]],
        trials,
        groups=bench.groups,
        noise_draws=bench.noise_draws,
        seed=bench.seed,
    )
    return Outcome(
        whole, networks, plan, names, n_latents, read, conditions, of_fits, of_truth, by_chance, fits, trials
    )


def alive(perturbation: Perturbation, regions: Array) -> Array:
    """(region, unit) units from which the effect on a region is read: those that are not held, all if none is left."""
    left = regions & ~perturbation.action.held
    return np.where(left.any(1, keepdims=True), left, regions)


def _trials(recording: xr.Dataset, conditions: Sequence[str]) -> Trials:
    """Recorded (or inferred) states; a missing one is the last before it, or the first of the trial."""
    r = scaled_rates(recording).values
    condition = recording["condition"].values.astype(str)
    observed = np.isfinite(r).all(2)
    share = np.stack([observed & (condition == name)[:, None] for name in conditions])
    first = observed.argmax(1)[:, None]
    last = np.maximum.accumulate(np.where(observed, np.arange(r.shape[1]), first), axis=1)
    known = np.take_along_axis(phi_inverse(r), last[..., None], axis=1)
    return Trials(np.nan_to_num(known), share.astype(float))


def _fits(recording: xr.Dataset, networks: xr.Dataset, bench: ExperimentSettings) -> Networks:
    """The fits of all seeds, then networks drawn from the posterior of the first fit."""
    n_seeds = networks.sizes["seed"]
    drawn = posterior_draws(networks, 0, bench.posterior_draws, bench.seed)
    members = [*(member(networks, number) for number in range(n_seeds)), *drawn]
    # Drawn networks receive the inputs, the noise and the latents of the first fit.
    of_seed = [*range(n_seeds), *([0] * len(drawn))]
    inputs = np.stack([_inputs(with_hidden_inputs(recording, networks, number)) for number in range(n_seeds)])
    noise = [noise_sd(recording, networks, number) for number in range(n_seeds)] if bench.noise_draws else None
    return Networks(
        members,
        inputs[of_seed] if "hidden" in networks else inputs[:1],
        None,
        None if noise is None else np.stack(noise)[of_seed],
        *((networks[letter].values[of_seed] for letter in "mn") if "m" in networks else (None, None)),
    )


def _inputs(recording: xr.Dataset) -> Array:
    return np.nan_to_num(recording["inputs"].transpose("trial", "time", "input").values)


def noise_sd(recording: xr.Dataset, networks: xr.Dataset, number: int) -> Array:
    """(unit,) noise of one fit in an Euler step: as its estimator found it, else from its one-step residual.

    The residual holds measurement noise too; then the noise of the runs is too large.
    """
    network = member(networks, number)
    step = network.dt_s / (network.substeps * network.tau_s)
    if "process_noise_sd" in networks and np.isfinite(networks["process_noise_sd"].values[number]).all():
        in_sample = networks["process_noise_sd"].values[number]
    else:
        train = recording["split"].values == "train"
        whole = with_hidden_inputs(recording, networks, number).isel(trial=train)
        error = one_step_residual(network, scaled_rates(whole).values, _inputs(whole)).error
        in_sample = np.nanstd(error, axis=(0, 1)) * (1 - (1 - step) ** network.substeps)
    result: Array = in_sample / np.sqrt(((1 - step) ** (2 * np.arange(network.substeps))).sum())
    return result


def _projections(fits: Networks, n_latents: int, read: Sequence[Readout]) -> Array:
    """(member, target, unit) weights of latents and readouts."""
    n_units = len(fits.members[0].b)
    of_latents = np.zeros((len(fits.members), 0, n_units)) if fits.n is None else fits.n.swapaxes(1, 2)[:, :n_latents]
    of_readouts = np.array([one.weights for one in read]).reshape(len(read), n_units)
    return np.concatenate([of_latents, np.repeat(of_readouts[None], len(fits.members), axis=0)], axis=1)


def _truth(recording: xr.Dataset, truth: xr.Dataset | None, fits: Networks) -> Networks | None:
    """The true network, where its rates are those of the recording; what a fit calls a hidden input it has not."""
    if truth is None or recording.attrs["activity"] != "model":
        return None
    network: Network = true_network(truth)
    missing = fits.inputs.shape[3] - network.B.shape[1]
    network = network._replace(B=np.pad(network.B, ((0, 0), (0, missing))))
    drive = np.nan_to_num(truth["drive"].values) if "drive" in truth else None
    return Networks([network], fits.inputs[:1], drive)
