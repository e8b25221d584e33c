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
from curbd.inactivation.readouts import Readout, readouts
from curbd.network.equation import phi_inverse
from curbd.network.perturbation import Perturbation
from curbd.network.perturbed_run import Networks
from curbd.network.residual import one_step_residual
from curbd.network.truth import comparable_truth, true_network
from curbd.network.view import View, view, views
from curbd.progress import progress
from curbd.settings.experiments import ExperimentSettings, Inactivation

Array = np.ndarray


class Outcome(NamedTuple):
    """Everything that was found about the experiments on one model of one recording.

    Attributes
    ----------
    recording : what was fitted.
    networks : the fitted networks.
    view : the recording as the first fit sees it.
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
    view: View
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
    fits = views(recording, networks)
    first = fits[0]
    n_latents = 0 if first.factors is None else first.factors[0].shape[1]
    subject = Subject(recording, tuple(first.input_name[first.hidden]), n_latents, populations)
    plan = perturbations(subject, experiments)
    regions = np.stack([first.region == name for name in first.regions])
    conditions = [str(name) for name in np.unique(first.condition)]
    trials = _trials(first, conditions)
    members = _members(recording, networks, fits, bench)
    read = readouts(recording, bench.readout)
    alive_units = np.array([alive(one, regions) for one in plan], dtype=float).reshape(len(plan), *regions.shape)
    targets = Targets(alive_units, _projections(members, n_latents, read))
    with progress(len(plan), "experiments") as advance:
        of_fits, of_truth = effects(
            members,
            plan,
            trials,
            targets,
            _true_networks(comparable_truth(recording, truth), first),
            n_fits=len(fits),
            noise_draws=bench.noise_draws,
            seed=bench.seed,
            advance=advance,
        )
    by_chance = null(
        members.first(len(fits)),
        plan,
        regions,
        first.regions,
        targets.projections[: len(fits)],
        trials,
        groups=bench.groups,
        noise_draws=bench.noise_draws,
        seed=bench.seed,
    )
    return Outcome(
        recording=recording,
        networks=networks,
        view=first,
        plan=plan,
        regions=first.regions,
        latents=n_latents,
        readouts=read,
        conditions=conditions,
        fits=of_fits,
        truth=of_truth,
        null=by_chance,
        members=members,
        trials=trials,
    )


def alive(perturbation: Perturbation, regions: Array) -> Array:
    """(region, unit) units from which the effect on a region is read: those that are not held, all if none is left."""
    left = regions & ~perturbation.action.held
    return np.where(left.any(1, keepdims=True), left, regions)


def _trials(first: View, conditions: Sequence[str]) -> Trials:
    """Recorded (or inferred) states; a missing state is the last state before it, or the first of the trial."""
    observed = first.observed
    share = np.stack([observed & (first.condition == name)[:, None] for name in conditions])
    start = observed.argmax(1)[:, None]
    last = np.maximum.accumulate(np.where(observed, np.arange(first.r.shape[1]), start), axis=1)
    states = np.take_along_axis(phi_inverse(first.r), last[..., None], axis=1)
    return Trials(np.nan_to_num(states), share.astype(float))


def _members(recording: xr.Dataset, networks: xr.Dataset, fits: Sequence[View], bench: ExperimentSettings) -> Networks:
    """The fits of all seeds, then networks drawn from the posterior of the first fit.

    Drawn networks receive the inputs, the noise and the latents of the first fit.
    """
    first = fits[0]
    drawn = first.draws(bench.posterior_draws, bench.seed)
    fit_of_member = [*range(len(fits)), *([0] * len(drawn))]
    inputs = np.stack([np.nan_to_num(fit.u) for fit in fits])
    noise = None
    if bench.noise_draws:
        noise = np.stack([noise_sd(recording, networks, fit_index) for fit_index in range(len(fits))])[fit_of_member]
    m = n = None
    if first.factors is not None:
        m, n = (np.stack(sides)[fit_of_member] for sides in zip(*(fit.factors for fit in fits), strict=True))
    return Networks(
        members=[*(fit.network for fit in fits), *drawn],
        inputs=inputs[fit_of_member] if first.hidden.any() else inputs[:1],
        noise_sd=noise,
        m=m,
        n=n,
    )


def noise_sd(recording: xr.Dataset, networks: xr.Dataset, fit_index: int) -> Array:
    """Noise of one fit in an Euler step: as its estimator found it, else from the one-step residual.

    The residual holds measurement noise too; then the noise of the runs is too large.

    Parameters
    ----------
    recording, networks : what was fitted, and the fits.
    fit_index : which of the fits, by its place among the seeds.

    Returns
    -------
    (unit,) standard deviation, dimensionless, in the units of x.
    """
    fit = view(recording, networks, fit_index, rates="observed")
    network = fit.network
    step = network.dt_s / (network.substeps * network.tau_s)
    if "process_noise_sd" in networks and np.isfinite(networks["process_noise_sd"].values[fit_index]).all():
        in_sample = networks["process_noise_sd"].values[fit_index]
    else:
        error = one_step_residual(network, fit.r[fit.train], np.nan_to_num(fit.u[fit.train])).error
        in_sample = np.nanstd(error, axis=(0, 1)) * (1 - (1 - step) ** network.substeps)
    return in_sample / np.sqrt(((1 - step) ** (2 * np.arange(network.substeps))).sum())


def _projections(fits: Networks, n_latents: int, read: Sequence[Readout]) -> Array:
    """(member, target, unit) weights of latents and readouts."""
    n_units = len(fits.members[0].b)
    of_latents = np.zeros((len(fits.members), 0, n_units)) if fits.n is None else fits.n.swapaxes(1, 2)[:, :n_latents]
    of_readouts = np.array([one.weights for one in read]).reshape(len(read), n_units)
    return np.concatenate([of_latents, np.repeat(of_readouts[None], len(fits.members), axis=0)], axis=1)


def _true_networks(truth: xr.Dataset | None, first: View) -> Networks | None:
    """The true network, with the inputs of the first fit; inputs that the fit inferred have no weight in it."""
    if truth is None:
        return None
    drive = np.nan_to_num(truth["drive"].values) if "drive" in truth else None
    return Networks([true_network(truth, first.hidden)], np.nan_to_num(first.u)[None], drive)
