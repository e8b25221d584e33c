"""Simulation of all experiments on all fitted networks of a recording, with everything that the tables report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.inactivation.effect_sums import Targets
from curbd.inactivation.effects import Effects, effects
from curbd.inactivation.measured_effects import measured_changes
from curbd.inactivation.nulls import EffectNull, effect_null
from curbd.inactivation.perturbations import Preparation, perturbations_of
from curbd.inactivation.readouts import Readout, readouts
from curbd.inactivation.robustness import EffectRobustness, effect_robustness
from curbd.inactivation.simulation import RunStarts, Simulation
from curbd.network.perturbation import Perturbation
from curbd.network.perturbed_run import NetworkBatch
from curbd.network.recorded import Recorded
from curbd.network.residual import one_step_residual
from curbd.network.truth import comparable_truth, true_network
from curbd.network.view import View, view, views
from curbd.progress import progress
from curbd.settings.experiments import ExperimentSettings, Inactivation

Array = np.ndarray


class Outcome(NamedTuple):
    """Results of all experiments on one model of one recording.

    Attributes
    ----------
    recording : the recording that the networks were fitted to.
    networks : the fitted networks.
    input_name : (input,) names of the recorded inputs, then of the hidden inputs.
    perturbations : the perturbations of all experiments.
    regions : names of the regions, which are the first targets; latents and readouts are the other targets.
    n_latents : number of latents among the targets.
    readouts : behavioural variables, the last targets.
    conditions : names of the conditions of trials.
    fit_effects : effects in the members: the fits of all seeds, then networks drawn from the posterior of the first
        fit.
    true_effects : effects in the true network, or None without a true network.
    null : effects of random groups of units, on all targets, in the fits of all seeds.
    members : the networks that were simulated; None for population networks.
    starts : the recorded states from which the simulations started; None for population networks.
    robustness : how inexact the weights may be; None for population networks.
    """

    recording: xr.Dataset
    networks: xr.Dataset
    input_name: Array
    perturbations: list[Perturbation]
    regions: list[str]
    n_latents: int
    readouts: list[Readout]
    conditions: list[str]
    fit_effects: Effects
    true_effects: Effects | None
    null: EffectNull
    members: NetworkBatch | None = None
    starts: RunStarts | None = None
    robustness: EffectRobustness | None = None

    @property
    def n_seeds(self) -> int:
        """Number of fits, the first members; all other members were drawn from the posterior of the first fit."""
        return int(self.networks.sizes["seed"])

    @property
    def targets(self) -> list[str]:
        """Names of the targets in the tables."""
        latents = [f"latent:{latent}" for latent in range(1, self.n_latents + 1)]
        return [*self.regions, *latents, *(f"readout:{readout.name}" for readout in self.readouts)]

    @property
    def target_kinds(self) -> list[str]:
        """Kind of each target: region, latent or readout."""
        return ["region"] * len(self.regions) + ["latent"] * self.n_latents + ["readout"] * len(self.readouts)

    @property
    def direct(self) -> Array:
        """(perturbation, unit) bool: True for units whose rates or currents are changed directly."""
        units = [perturbation.action.direct for perturbation in self.perturbations]
        return np.array(units, dtype=bool).reshape(len(self.perturbations), self.recording.sizes["unit"])


def run_experiments(
    recording: xr.Dataset,
    networks: xr.Dataset,
    experiments: Mapping[str, Inactivation],
    truth: xr.Dataset | None = None,
    *,
    settings: ExperimentSettings | None = None,
    populations: pd.DataFrame | None = None,
    perturbed: xr.Dataset | None = None,
    max_states: int | None = None,
) -> Outcome:
    """Run every experiment on every fit of a model, from the recorded state of every trial at the onset of the window.

    Experiments that do not apply to a model are skipped: a network of full rank has no latents and no populations. If
    no experiment remains, nothing is simulated and all tables are empty.

    Parameters
    ----------
    recording : the recording that the networks were fitted to.
    networks : the fits of one model, one per seed.
    experiments : name of the experiment -> its settings, as under ``inactivations`` in the config.
    truth : the network behind a teacher recording, or None.
    settings : how the experiments are run and tested; None for the defaults.
    populations : table with the columns unit_id and population, for low-rank networks.
    perturbed : trials with a real perturbation, for experiments with the value ``measured``.
    max_states : number of states (member, run, trial, unit) that are held in memory at once; None for a number that
        suits the device. Without noise, the effects do not depend on this number, except for rounding errors; with
        noise, another number gives other draws of the noise.

    Returns
    -------
    The effects in all networks, and everything else that the tables report.

    Raises
    ------
    UserError : an experiment names a region, unit, input or condition that the recording does not have, or contradicts
        itself.
    """
    settings = settings or ExperimentSettings()
    fits = views(recording, networks)
    first = fits[0]
    n_latents = 0 if first.factors is None else first.factors[0].shape[1]
    measured = measured_changes(recording, perturbed, experiments)
    phi = first.network.nonlinearity
    preparation = Preparation(
        recording,
        tuple(first.input_name[first.hidden]),
        n_latents,
        populations,
        measured=measured,
        nonlinearity=phi.name,
    )
    perturbations = perturbations_of(preparation, experiments)
    behaviour = readouts(recording, settings.readout, phi.name)
    simulation = _simulation(recording, networks, truth, fits, settings)._replace(max_states=max_states)
    regions = {name: first.region == name for name in first.regions}
    projections = _projections(simulation.fits, n_latents, behaviour)
    targets = targets_of(perturbations, regions, projections)
    with progress(len(perturbations), "experiments") as advance:
        fit_effects, true_effects = effects(simulation, perturbations, targets, n_fits=len(fits), advance=advance)
    null = effect_null(
        simulation._replace(fits=simulation.fits.first(len(fits))),
        perturbations,
        regions,
        projections[: len(fits)],
        groups=settings.groups,
    )
    return Outcome(
        recording=recording,
        networks=networks,
        input_name=first.input_name,
        perturbations=perturbations,
        regions=first.regions,
        n_latents=n_latents,
        readouts=behaviour,
        conditions=conditions_of(first),
        fit_effects=fit_effects,
        true_effects=true_effects,
        null=null,
        members=simulation.fits,
        starts=simulation.starts,
        robustness=effect_robustness(simulation, perturbations, targets, regions),
    )


def targets_of(perturbations: Sequence[Perturbation], regions: Mapping[str, Array], projections: Array) -> Targets:
    """Construct the targets of the effect of each perturbation: regions, latents and readouts."""
    return Targets(read_units(perturbations, np.stack([*regions.values()])), projections)


def read_units(perturbations: Sequence[Perturbation], regions: Array) -> Array:
    """Select the units over which effects are averaged: those that are not held, or all units of a held region.

    Parameters
    ----------
    perturbations : the perturbations.
    regions : (region, unit) True for the units of a region.

    Returns
    -------
    (perturbation, region, unit) 1 for the units that are read, else 0.
    """
    read = np.zeros((len(perturbations), *regions.shape))
    for index, perturbation in enumerate(perturbations):
        free = regions & ~perturbation.action.held
        read[index] = np.where(free.any(1, keepdims=True), free, regions)
    return read


def _simulation(
    recording: xr.Dataset,
    networks: xr.Dataset,
    truth: xr.Dataset | None,
    fits: Sequence[View],
    settings: ExperimentSettings,
) -> Simulation:
    """Construct the simulation: the networks, and the states from which they start.

    Parameters
    ----------
    recording, networks, truth, settings : the parameters of `run_experiments`.
    fits : every fitted network with the recording that it was fitted to.
    """
    return Simulation(
        fits=_members(recording, networks, fits, settings),
        starts=_run_starts(fits[0]),
        truth=_true_networks(comparable_truth(recording, truth, networks.attrs["phi"]), fits[0]),
        noise_draws=settings.noise_draws,
        seed=settings.seed,
    )


def conditions_of(first: Recorded) -> list[str]:
    """Return the names of the conditions of trials, sorted."""
    return [str(name) for name in np.unique(first.condition)]


def _run_starts(first: View) -> RunStarts:
    """Return recorded (or inferred) states; a missing state is replaced by the last, or else the first, known state."""
    observed = first.observed
    weight = np.stack([observed & (first.condition == name)[:, None] for name in conditions_of(first)])
    start = observed.argmax(1)[:, None]
    last = np.maximum.accumulate(np.where(observed, np.arange(first.r.shape[1]), start), axis=1)
    states = np.empty(first.r.shape)
    for trial, (rates, known) in enumerate(zip(first.r, last, strict=True)):
        states[trial] = np.nan_to_num(first.network.nonlinearity.inverse(rates[known]))
    return RunStarts(states, weight.astype(float))


def _members(
    recording: xr.Dataset, networks: xr.Dataset, fits: Sequence[View], settings: ExperimentSettings
) -> NetworkBatch:
    """Collect the networks that are simulated: the fits of all seeds, then networks drawn from the first posterior.

    Drawn networks receive the inputs, the noise and the latents of the first fit.
    """
    first = fits[0]
    drawn = first.draws(settings.posterior_draws, settings.seed)
    fit_of_member = [*range(len(fits)), *([0] * len(drawn))]
    inputs = np.stack([np.nan_to_num(fit.u) for fit in fits])
    noise = None
    if settings.noise_draws:
        noise = np.stack([noise_sd(recording, networks, fit_index) for fit_index in range(len(fits))])[fit_of_member]
    m = n = None
    if first.factors is not None:
        m, n = (np.stack(sides)[fit_of_member] for sides in zip(*(fit.factors for fit in fits), strict=True))
    return NetworkBatch(
        members=[*(fit.network for fit in fits), *drawn],
        inputs=inputs[fit_of_member] if first.hidden.any() else inputs[:1],
        noise_sd=noise,
        m=m,
        n=n,
    )


def noise_sd(recording: xr.Dataset, networks: xr.Dataset, fit_index: int) -> Array:
    """Return the process noise of one fit per Euler step, as estimated, or else from the one-step residual.

    If the estimator did not estimate the process noise, the noise is computed from the one-step residual. This residual
    contains measurement noise as well, so that simulations with noise from the residual are too noisy.

    Parameters
    ----------
    recording : the recording that the networks were fitted to.
    networks : the fits of one model, one per seed.
    fit_index : position of the fit among the seeds, from 0.

    Returns
    -------
    (unit,) standard deviation, in the (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b + noise.
    """
    fit = view(recording, networks, fit_index, rates="observed")
    network = fit.network
    step = network.euler_step
    if "process_noise_sd" in networks and np.isfinite(networks["process_noise_sd"].values[fit_index]).all():
        in_sample = networks["process_noise_sd"].values[fit_index]
    else:
        error = one_step_residual(network, fit.r[fit.train], np.nan_to_num(fit.u[fit.train])).error
        in_sample = np.nanstd(error, axis=(0, 1)) * (1 - (1 - step) ** network.substeps)
    return in_sample / np.sqrt(((1 - step) ** (2 * np.arange(network.substeps)[:, None])).sum(0))


def _projections(members: NetworkBatch, n_latents: int, behaviour: Sequence[Readout]) -> Array:
    """Collect the weights (member, target, unit) of latents and readouts on the rates."""
    n_members, n_units = len(members.members), len(members.members[0].b)
    of_latents = np.zeros((n_members, 0, n_units)) if members.n is None else members.n.swapaxes(1, 2)[:, :n_latents]
    of_readouts = np.array([readout.weights for readout in behaviour]).reshape(len(behaviour), n_units)
    return np.concatenate([of_latents, np.repeat(of_readouts[None], n_members, axis=0)], axis=1)


def _true_networks(truth: xr.Dataset | None, first: View) -> NetworkBatch | None:
    """Construct the true network with the inputs of the first fit; the weights of inferred inputs are 0."""
    if truth is None:
        return None
    drive = np.nan_to_num(truth["drive"].values) if "drive" in truth else None
    return NetworkBatch([true_network(truth, first.hidden)], np.nan_to_num(first.u)[None], drive)
