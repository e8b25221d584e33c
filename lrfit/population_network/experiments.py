"""In-silico experiments on population networks, with the outcome that the tables of `curbd.inactivation` report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.inactivation.effect_sums import Targets
from curbd.inactivation.effects import Effects
from curbd.inactivation.experiments import Outcome, conditions_of, targets_of
from curbd.inactivation.nulls import EffectNull
from curbd.inactivation.perturbations import Preparation, perturbations_of
from curbd.inactivation.readouts import readouts
from curbd.network.perturbation import Perturbation
from curbd.recording.counts import counts_per_rate
from curbd.settings.experiments import ExperimentSettings, Inactivation
from lrfit.population_network.file import Fitted
from lrfit.population_network.history import expected_unseen
from lrfit.population_network.model import Population, curved, drift
from lrfit.population_network.paths import MAX_LATENT, Paths, spreads
from lrfit.population_network.perturbed import Change, change_of
from lrfit.population_network.recording import Recording
from lrfit.population_network.view import PopulationView, population_views

Array = np.ndarray


class Member(NamedTuple):
    """A network that is simulated: a fit, or a draw from the posterior of its weights.

    Attributes
    ----------
    model : parameters of the network.
    paths : posterior of the latents of all trials.
    """

    model: Population
    paths: Paths


def run_population_experiments(
    recording: xr.Dataset,
    networks: xr.Dataset,
    experiments: Mapping[str, Inactivation],
    settings: ExperimentSettings | None = None,
) -> tuple[Outcome, list[str]]:
    """Run every experiment that a population network can do on every fit, in every trial.

    The intact run of a trial is the trial itself, as the network infers it. The perturbed run starts from the same
    latents and receives the same inputs and innovations. Effects are differences of the expected rates of the recorded
    units, scaled like the rates of the recording.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the content of network.nc.
    experiments : name of the experiment -> its settings, as under ``inactivations`` in the config.
    settings : how the experiments are run; None for the defaults.

    Returns
    -------
    The effects in all networks, and a sentence on each experiment that population networks cannot do.

    Raises
    ------
    UserError : an experiment names a region, input or condition that the recording does not have.
    """
    settings = settings or ExperimentSettings()
    fits = population_views(recording, networks)
    first = fits[0]
    hidden = tuple(f"hidden_{drive + 1}" for drive in range(first.n_drives))
    model = first.fitted.model
    preparation = Preparation(recording, hidden, n_latents=int((model.group < model.regions).sum()))
    perturbations, remarks = _possible(preparation, first, experiments)
    regions = {name: first.region == name for name in first.regions}
    behaviour = readouts(recording, settings.readout)
    weights = np.array([readout.weights for readout in behaviour]).reshape(1, len(behaviour), len(first.region))
    targets = targets_of(perturbations, regions, weights)
    effects = _effects(recording, fits, perturbations, targets, settings)
    no_null = np.full((len(fits), *effects.square_from_first.shape[1:]), np.nan)
    return Outcome(
        recording=recording,
        networks=networks,
        input_name=preparation.input_name,
        perturbations=perturbations,
        regions=first.regions,
        n_latents=0,
        readouts=behaviour,
        conditions=conditions_of(first),
        fit_effects=effects,
        true_effects=None,
        null=EffectNull(no_null, no_null, no_null),
    ), remarks


def _possible(
    preparation: Preparation, view: PopulationView, experiments: Mapping[str, Inactivation]
) -> tuple[list[Perturbation], list[str]]:
    """Return the perturbations of the experiments that a population network can do, and a sentence on all others."""
    possible, remarks = list[Perturbation](), list[str]()
    for name, experiment in experiments.items():
        perturbations = perturbations_of(preparation, {name: experiment})
        try:
            for perturbation in perturbations:
                _change(view, perturbation)
        except ValueError as error:
            remarks.append(f"The experiment {name} is left out for population networks, because it {error}.")
        else:
            possible += perturbations
    return possible, remarks


def _change(view: PopulationView, perturbation: Perturbation) -> Change:
    data = view.data
    return change_of(perturbation.action, view.fitted.model, data.region, data.source_name, view.silent)


def _members(fits: Sequence[PopulationView], settings: ExperimentSettings) -> list[Member]:
    """Collect the networks that are simulated: the fits of all seeds, then draws from the posterior of the first."""
    first = fits[0].fitted
    drawn = drawn_weights(first, settings.posterior_draws, np.random.default_rng(settings.seed))
    members = [Member(fit.fitted.model, fit.fitted.paths) for fit in fits]
    return [*members, *(Member(first.model._replace(A=A), first.paths) for A in drawn)]


def drawn_weights(fitted: Fitted, n_draws: int, rng: np.random.Generator) -> Array:
    """Draw weights A (draw, latent, latent) from their Gaussian posterior; the dynamics of hidden drives are fixed."""
    model, covariance = fitted.model, fitted.weight_covariance
    rows = np.flatnonzero(model.group < model.regions)
    size = len(rows) * len(model.group)
    values, vectors = np.linalg.eigh(covariance.reshape(size, size))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    A = np.repeat(model.A[None], n_draws, axis=0)
    A[:, rows] += (rng.standard_normal((n_draws, size)) @ root.T).reshape(n_draws, len(rows), -1)
    return A


class Scale(NamedTuple):
    """Conversion of expected counts to scaled rates.

    Attributes
    ----------
    per_count : (unit,) scaled rate, or scaled fluorescence, of one spike in every bin.
    silent : scaled rate of a unit that does not fire.
    """

    per_count: Array
    silent: float


def _scale(recording: xr.Dataset, data: Recording, silent: float) -> Scale:
    size = recording["scale"].to_numpy()
    if data.per_count is not None:
        size = size / data.per_count
    else:
        size = size * (counts_per_rate(recording["rates"].to_numpy(), float(recording.attrs["dt_s"])) or 1.0)
    return Scale(per_count=np.divide(1.0, size, out=np.zeros_like(size), where=size > 0), silent=silent)


def _effects(
    recording: xr.Dataset,
    fits: Sequence[PopulationView],
    perturbations: Sequence[Perturbation],
    targets: Targets,
    settings: ExperimentSettings,
) -> Effects:
    """Simulate every member under every perturbation, and average the effects over trials, units and time."""
    first, members = fits[0], _members(fits, settings)
    average = Average(
        of_condition=np.stack([first.condition == name for name in conditions_of(first)]).astype(float),
        observed=first.observed,
        readouts=targets.projections[0],
    )
    scale, n_trials = _scale(recording, first.data, first.silent), average.of_condition @ first.observed
    intact = [scaled_rates(first.data, fit.fitted.model, fit.fitted.paths, scale) for fit in fits]
    intact += intact[:1] * (len(members) - len(fits))
    shape = len(members), len(perturbations), len(n_trials)
    by_time = (*shape, n_trials.shape[1], targets.units.shape[1] + len(average.readouts))
    fields = {name: np.zeros(by_time) for name in ("mean", "square", "intact")}
    fields |= {name: np.zeros((*shape, len(first.region))) for name in ("unit_mean", "unit_square", "unit_intact")}
    fields["square_from_first"] = np.zeros((*shape, by_time[-1]))
    for index, perturbation in enumerate(perturbations):
        change, units = _change(first, perturbation), targets.units[index]
        n_in_window = (n_trials * perturbation.when).sum(1)
        reference = np.zeros(0)
        for number, member in enumerate(members):
            effect = effect_on_rates(first.data, member, perturbation, change, intact[number], scale)
            reference = effect if number == 0 else reference
            cell = (number, index)
            for name, values in average.over_time(effect, intact[number], units, n_trials).items():
                fields[name][cell] = values
            for name, values in average.in_window(effect, intact[number], perturbation.when, n_in_window).items():
                fields[name][cell] = values
            if number >= len(fits) or len(members) == len(fits):
                off = average.squares(effect - reference, units)[:, perturbation.when].sum(1)
                fields["square_from_first"][cell] = _ratio(off, n_in_window[:, None])
    unknown = np.zeros_like(fields["square_from_first"])
    return Effects(**fields, square_from_truth=unknown, expected_square_from_truth=unknown[:1], n_trials=n_trials)


class Average(NamedTuple):
    """Averages of effects (trial, time, unit) over the trials of a condition.

    Attributes
    ----------
    of_condition : (condition, trial) 1 for the trials of a condition.
    observed : (trial, time) True for observed bins.
    readouts : (readout, unit) weights of readouts on scaled rates.
    """

    of_condition: Array
    observed: Array
    readouts: Array

    def summed(self, values: Array) -> Array:
        """Sum values (trial, time, ...) over the observed bins of the trials of each condition."""
        seen = np.where(self.observed.reshape(*self.observed.shape, *[1] * (values.ndim - 2)), values, 0.0)
        total = self.of_condition @ seen.reshape(len(seen), -1)
        return np.asarray(total.reshape(len(total), *values.shape[1:]))

    def squares(self, effect: Array, units: Array) -> Array:
        """Sum squared effects (condition, time, target) over trials, averaged over the units of each target."""
        of_regions = self.summed(effect**2) @ _shares(units).T
        return np.concatenate([of_regions, self.summed((effect @ self.readouts.T) ** 2)], 2)

    def over_time(self, effect: Array, intact: Array, units: Array, n_trials: Array) -> dict[str, Array]:
        """Compute the fields of `Effects` over time (condition, time, target).

        Parameters
        ----------
        effect, intact : (trial, time, unit) effect, and scaled rates without the perturbation.
        units : (target, unit) 1 for the units over which the effect on a region is averaged.
        n_trials : (condition, time) number of trials.
        """
        weights = np.concatenate([_shares(units), self.readouts])
        sums = {"mean": self.summed(effect) @ weights.T, "intact": self.summed(intact) @ weights.T}
        sums["square"] = self.squares(effect, units)
        return {name: _ratio(values, n_trials[..., None]) for name, values in sums.items()}

    def in_window(self, effect: Array, intact: Array, when: Array, n_in_window: Array) -> dict[str, Array]:
        """Compute the fields of `Effects` about single units (condition, unit) in the time window.

        Parameters
        ----------
        effect, intact : (trial, time, unit) effect, and scaled rates without the perturbation.
        when : (time,) True in the window.
        n_in_window : (condition,) number of bins in the window, summed over trials.
        """
        values = {"unit_mean": effect, "unit_square": effect**2, "unit_intact": intact}
        return {
            name: _ratio(self.summed(by_bin)[:, when].sum(1), n_in_window[:, None]) for name, by_bin in values.items()
        }


def _shares(units: Array) -> Array:
    return units / np.maximum(units.sum(1, keepdims=True), 1)


def _ratio(total: Array, count: Array) -> Array:
    """Divide a sum by a count; NaN where the count is 0."""
    return np.asarray(total / np.where(count > 0, count, np.nan))


def scaled_rates(data: Recording, model: Population, paths: Paths, scale: Scale, mean: Array | None = None) -> Array:
    """Compute the expected rates of the recorded units, scaled like the rates of the recording.

    Spikes of a perturbed run are not known, so that the own history of a unit enters by its average in both runs.

    Parameters
    ----------
    data : the recording as the network reads it.
    model : the network.
    paths : posterior of the latents.
    scale : conversion of expected counts to scaled rates.
    mean : (time, trial, latent) means of the latents, if they differ from those of the posterior.

    Returns
    -------
    (trial, time, unit) scaled rates.
    """
    rate = expected_unseen(model, data, paths.mean if mean is None else mean, paths.covariance)
    return np.moveaxis(rate, 1, 0) * scale.per_count + scale.silent


def effect_on_rates(
    data: Recording, member: Member, perturbation: Perturbation, change: Change, intact: Array, scale: Scale
) -> Array:
    """Simulate a member with a perturbation and compute the effect on the scaled rates of the recorded units.

    Parameters
    ----------
    data : the recording as the network reads it.
    member : the network.
    perturbation : the perturbation, for its time window and strength.
    change : what the perturbation does to the network.
    intact : (trial, time, unit) scaled rates without the perturbation.
    scale : conversion of expected counts to scaled rates.

    Returns
    -------
    (trial, time, unit) scaled rate with the perturbation minus scaled rate without the perturbation.
    """
    mean = perturbed_latents(data, member, perturbation, change)
    rates = scaled_rates(data, member.model, member.paths, scale, mean)
    strength, when = perturbation.strength, perturbation.when
    gain = 1 + strength * (change.gain - 1)
    level = (1 - strength) * rates[:, when] + strength * scale.silent
    rates[:, when] = np.where(change.held, level, rates[:, when] * gain)
    return rates - intact


def perturbed_latents(data: Recording, member: Member, perturbation: Perturbation, change: Change) -> Array:
    """Simulate the latents of all trials with a perturbation, from the inferred latents at the onset of the window.

    Parameters
    ----------
    data : the recording as the network reads it.
    member : the network.
    perturbation : the perturbation, for its time window and strength.
    change : what the perturbation does to the network.

    Returns
    -------
    (time, trial, latent) latents.
    """
    model, paths = member
    spread = spreads(model, data, paths)
    at = curved(model, paths.mean, spread)
    new = paths.mean[1:] - drift(model, type(at)(*(part[:-1] for part in at)), data.sources[:-1])
    strength = perturbation.strength
    changed = model._replace(
        A=model.A * (1 + strength * (change.kept - 1)), G=model.G * (1 + strength * (change.kept_sources - 1))
    )
    z = paths.mean.copy()
    for k in range(int(np.argmax(perturbation.when)), len(z) - 1):
        inside = perturbation.when[k]
        now = curved(model, z[k : k + 1], spread[k : k + 1])
        step = drift(changed if inside else model, now, data.sources[k : k + 1])[0] + new[k]
        step += strength * change.push if inside else 0.0
        z[k + 1] = np.clip(step, -3 * MAX_LATENT, 3 * MAX_LATENT)
    return z
