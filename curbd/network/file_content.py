"""The content of network.nc: the fits of one model to one recording, one per seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from curbd.network.fit import Fit
from curbd.settings.models import Model
from curbd.settings.section import Section
from curbd.storage import RESULTS_VERSION

Array = np.ndarray
Variables = dict[str, tuple[tuple[str, ...], Array]]


class AxisLabels(NamedTuple):
    """Labels of the axes of network.nc.

    Attributes
    ----------
    unit_id, region : (unit,) labels of the units.
    regions : (region,) names of the regions, sorted.
    input_name : (input,) names of the recorded inputs, then of the hidden inputs.
    hidden : (input,) bool, True for inputs that were not recorded but inferred.
    time_s : (time,) centres of the bins, s.
    """

    unit_id: Array
    region: Array
    regions: Array
    input_name: Array
    hidden: Array
    time_s: Array


class Product(NamedTuple):
    """Variables and coordinates of network.nc that belong together.

    Attributes
    ----------
    variables : name -> dimensions and values.
    coords : name -> values.
    """

    variables: Variables
    coords: Mapping[str, Any] = MappingProxyType({})


def to_dataset(fits: Sequence[Fit], recording: xr.Dataset, name: str, model: Model) -> xr.Dataset:
    """Collect all fits of a model in one dataset, the content of the file network.nc.

    The networks are the recurrent weights J (seed, target, source), the input weights B (seed, target, input), the bias
    b (seed, target) and the time constants tau_s (seed). The units are both targets and sources.

    A low-rank network also has its left and right factors m (seed, target, rank) and n (seed, source, rank), J = m n'.
    If the fits have different ranks, the columns that a fit lacks are 0. If the estimator chose the rank of every block
    of J (the weights from one region to one region) separately, the ranks and the ends of their intervals are
    block_rank, block_rank_low and block_rank_high (seed, block_target, block_source).

    The posterior of the weights is stored as noise_variance (seed, target), gram (seed, regressor, regressor_2) and
    ridge (seed, target, regressor); see `curbd.network.fit.Posterior`. If the penalties were chosen by the evidence or
    by cross-validation, penalty_by (seed) says which. If the estimator separates process noise from measurement noise,
    their standard deviations are process_noise_sd and measurement_noise_sd (seed, target), NaN for a fit that found no
    measurement noise. The decay time of a calcium indicator, s, is indicator_s (seed), 0 for a fit that found none.

    If the rates behind noisy observations were inferred, the rates of all trials are inferred_rates and drawn_rates
    (seed, trial, time, target), in single precision, and their uncertainty is rate_covariance (seed, target, source);
    see `curbd.network.fit.States`.

    Hidden inputs are the inputs with the coordinate input_hidden true, named hidden_1, hidden_2, ...; all fits have
    equally many (see `curbd.hidden_inputs.side_by_side`). The values of the hidden inputs are hidden (seed, trial,
    time, hidden_input), the time scales are hidden_scale_s (seed, hidden_input).

    Units that adapt have adaptation_strength and adaptation_start (seed, target) and adaptation_tau_s (seed); a fit
    that found no adaptation, while another fit did, has strengths of 0. adaptation_nats (seed) is the gain in held-out
    log likelihood by adaptation, if adaptation was tried.

    If units have time constants of their own, these are unit_tau_s (seed, target), tau_s is their geometric mean, and
    tau_nats (seed) is the gain in held-out log likelihood over one time constant.

    A fit under constraints has the weights of its control without constraints, unconstrained_J (seed, target, source)
    and unconstrained_b (seed, target), the signs of its units, sign (source), the share of the held-out total current
    that the fit and its controls predict, control_r2 (seed, control), and, if densities are given, prescribed_density
    (target, source), NaN for weights that no density is about.

    Parameters
    ----------
    fits : the fits of all seeds of the model, in the order of the seeds.
    recording : the recording that was fitted.
    name : name of the model in all tables.
    model : settings of the model, for its estimator, options and seeds.

    Returns
    -------
    The content of the file network.nc.
    """
    labels = _labels(fits, recording)
    variables: Variables = {}
    coords: dict[str, Any] = {"seed": np.array(model.seeds, dtype=np.int64)}
    for product_of in _PRODUCTS:
        product = product_of(fits, labels)
        variables |= product.variables
        coords |= product.coords
    return xr.Dataset(variables, coords, _attrs(fits, recording, name, model))


def _labels(fits: Sequence[Fit], recording: xr.Dataset) -> AxisLabels:
    """Collect the labels of the units and regions of a recording, and the names of the inputs of its fits."""
    region, recorded = recording["region"].values.astype(str), recording["input"].values.astype(str)
    n_hidden = next((len(fit.hidden.region) for fit in fits if fit.hidden is not None), 0)
    return AxisLabels(
        unit_id=recording["unit_id"].values.astype(str),
        region=region,
        regions=np.unique(region),
        input_name=np.array([*recorded, *(f"hidden_{index + 1}" for index in range(n_hidden))], dtype=str),
        hidden=np.arange(len(recorded) + n_hidden) >= len(recorded),
        time_s=recording["time"].values,
    )


def _attrs(fits: Sequence[Fit], recording: xr.Dataset, name: str, model: Model) -> dict[str, Any]:
    """Build the attributes of network.nc; the parameters are the parameters of `to_dataset`."""
    network = fits[0].network
    return {
        "recording": recording.attrs["recording"],
        "recording_sha256": recording.attrs["sha256"],
        "model": name,
        "family": model.family,
        "estimator": model.estimator_name(),
        "options": _as_json(model.estimator_options()),
        "constraints": "" if model.constraints is None else _as_json(model.constraints),
        "dt_s": network.dt_s,
        "tau_s_setting": "estimate" if model.tau_s is None else model.tau_s,
        "substeps": network.substeps,
        "resample_trials": int(model.resample_trials),
        "phi": network.nonlinearity.name,
        "sharpness": network.nonlinearity.sharpness,
        "results_version": RESULTS_VERSION,
        "versions": json.dumps({package: version(package) for package in ("numpy", "torch")}),
    }


def _as_json(settings: Section) -> str:
    return json.dumps(settings.model_dump(mode="json"), sort_keys=True)


def _networks(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    networks = [fit.network for fit in fits]
    variables: Variables = {
        "J": (("seed", "target", "source"), np.stack([network.J for network in networks])),
        "B": (("seed", "target", "input"), np.stack([network.B for network in networks])),
        "b": (("seed", "target"), np.stack([network.b for network in networks])),
        "tau_s": (("seed",), np.array([network.tau_s for network in networks])),
    }
    coords = {
        "target": labels.unit_id,
        "source": labels.unit_id,
        "target_region": ("target", labels.region),
        "source_region": ("source", labels.region),
        "input": labels.input_name,
        "input_hidden": ("input", labels.hidden),
    }
    return Product(variables, coords)


def _penalties(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    penalties = [fit.penalty for fit in fits if fit.penalty is not None]
    chosen_by = [fit.penalty_by for fit in fits if fit.penalty_by is not None]
    variables: Variables = {}
    coords = {}
    if len(penalties) == len(fits):
        variables["penalty"] = (("seed", "penalty_target", "penalty_source"), np.stack(penalties))
        coords = {"penalty_target": labels.regions, "penalty_source": labels.regions}
    if len(chosen_by) == len(fits):
        variables["penalty_by"] = (("seed",), np.array(chosen_by, dtype=str))
    return Product(variables, coords)


def _block_ranks(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    ranks = [fit.ranks for fit in fits if fit.ranks is not None]
    if len(ranks) < len(fits):
        return Product({})
    axes = ("seed", "block_target", "block_source")
    variables: Variables = {
        "block_rank": (axes, np.stack([block.rank for block in ranks])),
        "block_rank_low": (axes, np.stack([block.low for block in ranks])),
        "block_rank_high": (axes, np.stack([block.high for block in ranks])),
    }
    return Product(variables, {"block_target": labels.regions, "block_source": labels.regions})


def _posteriors(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    posteriors = [fit.posterior for fit in fits if fit.posterior is not None]
    if len(posteriors) < len(fits):
        return Product({})
    regressors = np.concatenate([labels.unit_id, [f"input:{name}" for name in labels.input_name], ["bias"]])
    variables: Variables = {
        "noise_variance": (("seed", "target"), np.stack([posterior.noise_variance for posterior in posteriors])),
        "gram": (("seed", "regressor", "regressor_2"), np.stack([posterior.gram for posterior in posteriors])),
        "ridge": (("seed", "target", "regressor"), np.stack([posterior.ridge for posterior in posteriors])),
    }
    return Product(variables, {"regressor": regressors, "regressor_2": regressors})


def _noises(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    missing = np.full(len(labels.unit_id), np.nan)
    deviations = {
        "process_noise_sd": [fit.process_noise_sd for fit in fits],
        "measurement_noise_sd": [fit.measurement_noise_sd for fit in fits],
    }
    variables: Variables = {
        kind: (("seed", "target"), np.stack([missing if sd is None else sd for sd in of_fits]))
        for kind, of_fits in deviations.items()
        if any(sd is not None for sd in of_fits)
    }
    kept = [fit.noise.keep for fit in fits if fit.noise is not None]
    if any(kept):
        decays_s = [-fits[0].network.dt_s / np.log(share) if share else 0.0 for share in kept]
        variables["indicator_s"] = (("seed",), np.array(decays_s))
    return Product(variables)


def _states(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    states = [fit.states for fit in fits if fit.states is not None]
    if len(states) < len(fits):
        return Product({})
    axes = ("seed", "trial", "time", "target")
    covariances = np.stack([state.covariance for state in states])
    return Product(
        {
            "inferred_rates": (axes, np.stack([state.rates for state in states]).astype(np.float32)),
            "drawn_rates": (axes, np.stack([state.drawn for state in states]).astype(np.float32)),
            "rate_covariance": (("seed", "target", "source"), covariances),
        }
    )


def _hidden_inputs(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    hidden = [fit.hidden for fit in fits if fit.hidden is not None and len(fit.hidden.region)]
    if not hidden:
        return Product({})
    variables: Variables = {
        "hidden": (("seed", "trial", "time", "hidden_input"), np.stack([inputs.values for inputs in hidden])),
        "hidden_scale_s": (("seed", "hidden_input"), np.stack([inputs.scale_s for inputs in hidden])),
    }
    coords = {
        "time": labels.time_s,
        "hidden_input": labels.input_name[labels.hidden],
        "hidden_region": ("hidden_input", labels.regions[hidden[0].region]),
    }
    return Product(variables, coords)


def _factors(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    factors = [fit.factors for fit in fits if fit.factors is not None]
    if len(factors) < len(fits):
        return Product({})
    rank = max(m.shape[1] for m, _ in factors)

    def padded(loadings: Array) -> Array:
        return np.pad(loadings, ((0, 0), (0, rank - loadings.shape[1])))

    variables: Variables = {
        "m": (("seed", "target", "rank"), np.stack([padded(m) for m, _ in factors])),
        "n": (("seed", "source", "rank"), np.stack([padded(n) for _, n in factors])),
    }
    return Product(variables, {"rank": np.arange(1, rank + 1)})


def _controls(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    controls = [fit.controls for fit in fits if fit.controls is not None]
    shares = [fit.control_r2 for fit in fits if fit.control_r2 is not None]
    if len(controls) < len(fits) or len(shares) < len(fits):
        return Product({})
    names = ["constrained", "unconstrained"]
    names += [f"shuffled_{index + 1}" for index in range(len(controls[0].shuffled))]
    names += [f"displaced_{index + 1}" for index in range(len(controls[0].displaced))]
    circuit = controls[0].circuit
    density = np.full(circuit.same_region.shape, np.nan)
    for of_block in circuit.densities:
        density[of_block.block] = of_block.share
    variables: Variables = {
        "unconstrained_J": (("seed", "target", "source"), np.stack([of_fit.unconstrained.J for of_fit in controls])),
        "unconstrained_b": (("seed", "target"), np.stack([of_fit.unconstrained.b for of_fit in controls])),
        "control_r2": (("seed", "control"), np.stack(shares)),
        "sign": (("source",), circuit.sign),
    }
    if circuit.densities:
        variables["prescribed_density"] = (("target", "source"), density)
    return Product(variables, {"control": np.array(names, dtype=str)})


def _adaptations(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    nats = [fit.adaptation_nats for fit in fits if fit.adaptation_nats is not None]
    variables: Variables = {"adaptation_nats": (("seed",), np.array(nats))} if len(nats) == len(fits) else {}
    adapting = next((fit.network.adaptation for fit in fits if fit.network.adaptation is not None), None)
    if adapting is None:
        return Product(variables)
    none = adapting._replace(strength=np.zeros(len(labels.unit_id)))
    of_fits = [none if fit.network.adaptation is None else fit.network.adaptation for fit in fits]
    variables |= {
        "adaptation_strength": (("seed", "target"), np.stack([adaptation.strength for adaptation in of_fits])),
        "adaptation_start": (("seed", "target"), np.stack([adaptation.start for adaptation in of_fits])),
        "adaptation_tau_s": (("seed",), np.array([adaptation.tau_s for adaptation in of_fits])),
    }
    return Product(variables)


def _time_constants(fits: Sequence[Fit], labels: AxisLabels) -> Product:
    own = [fit.network.unit_tau_s for fit in fits if fit.network.unit_tau_s is not None]
    gains = [fit.tau_nats for fit in fits if fit.tau_nats is not None]
    variables: Variables = {"unit_tau_s": (("seed", "target"), np.stack(own))} if len(own) == len(fits) else {}
    return Product(variables | ({"tau_nats": (("seed",), np.array(gains))} if len(gains) == len(fits) else {}))


_PRODUCTS: tuple[Callable[[Sequence[Fit], AxisLabels], Product], ...] = (
    _networks,
    _penalties,
    _block_ranks,
    _posteriors,
    _noises,
    _states,
    _hidden_inputs,
    _factors,
    _controls,
    _adaptations,
    _time_constants,
)
"""Functions that add variables to network.nc, or nothing if the estimator does not have these variables."""
