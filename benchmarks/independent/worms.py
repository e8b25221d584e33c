"""Moving worms: neurons of three animals beside the responses to stimulating single neurons in other animals.

Activity: Dag et al., Cell 2023. Responses: Randi et al., Nature 2023. A pair of neurons has a response where the atlas
says q < 0.05; its sign is that of the mean response.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from sklearn.metrics import roc_auc_score

import curbd
from benchmarks.independent import pairs
from benchmarks.independent.answers import Answer, Role
from benchmarks.independent.impulse_response import impulse_responses
from benchmarks.independent.networks import MODELS, fitted, session, training_rates
from curbd.network.truth import correlation

Array = np.ndarray
ABSOLUTE, SIGNED = "neuron pairs with a response, AUROC of |weight|", "sign of the response, AUROC of the weight"
GANGLIA = "20 pairs of ganglia, r of mean |weight| with the mean |response|"
MAX_Q = 0.05
SHUFFLES = 199
SHUFFLE_SEED = 0
SPLIT_HALF_R = {SIGNED: 0.79, ABSOLUTE: 0.73, GANGLIA: 0.84}
"""Published agreement of random halves of the stimulated animals; the atlas file holds means over animals only."""
SETTINGS: dict[str, object] = {
    "windows": {"continuous": True},
}
DEFAULT = "one_step (default)"
EXCHANGED = "neurons of the default exchanged, 95 %"
SHARED = "shared network of the three worms"
RESPONSE = ": response"
WITHIN_S = 5.0
"""Time over which a response is averaged, s; chosen on the first two animals."""


class Atlas(NamedTuple):
    """Responses (target, source) of the neurons of one animal to stimulating single neurons.

    Attributes
    ----------
    response : mean response; NaN for pairs that were not measured.
    exists : whether there is a response.
    """

    response: Array
    exists: Array

    @property
    def measured(self) -> Array:
        """(target, source) bool: True for measured pairs of two neurons."""
        return np.isfinite(self.response) & ~np.eye(len(self.response), dtype=bool)


class Worm(NamedTuple):
    """The weights of one animal beside the atlas.

    Attributes
    ----------
    weights : (target, source) weights between standardised neurons.
    truth : the responses of the same neurons.
    region, unit_id : (neuron,) ganglion and name.
    """

    weights: Array
    truth: Atlas
    region: Array
    unit_id: Array


def answers(files: list[Path]) -> Iterator[Answer]:
    """Do weights between neurons order the responses to stimulation, by neuron and by ganglion?"""
    recordings = [path for path in files if path.suffix == ".h5"]
    with np.load(next(path for path in files if path.suffix == ".npz")) as atlas:
        names = [str(name) for name in atlas["neuron_ids"]]
        response, q = atlas["dFF"], atlas["q"]
    pooled = dict[tuple[str, Role], list[Worm]]()
    worms = {path.stem: session(path, SETTINGS).recording for path in recordings}
    shared = curbd.shared_network(worms)
    for path in recordings:
        recording = worms[path.stem]
        unit_id = recording["unit_id"].values.astype(str)
        kept = np.isin(unit_id, names)
        order = [names.index(unit) for unit in unit_id[kept]]
        truth = Atlas(response[np.ix_(order, order)], q[np.ix_(order, order)] < MAX_Q)
        region = recording["region"].values.astype(str)[kept]
        weights = _weights(recording, shared)
        for (name, role), of_worm in weights.items():
            of_kept = of_worm[np.ix_(kept, kept)]
            pooled.setdefault((name, role), []).append(Worm(of_kept, truth, region, unit_id[kept]))
            yield from _of_neurons(path.stem, name, role, of_kept, truth)
    for (name, role), of_method in pooled.items():
        estimate, measured = _of_ganglia(of_method)
        yield Answer(GANGLIA, "three worms", name, role, correlation(estimate, measured))
        yield from _of_neurons("three worms", name, role, *_mean_over_worms(of_method, names, response, q < MAX_Q))
    rng = np.random.default_rng(SHUFFLE_SEED)
    for path, worm in zip(recordings, pooled[DEFAULT, "model"], strict=True):
        yield from _by_chance(path.stem, worm, rng)
    chance = [correlation(rng.permutation(measured), measured) for _ in range(SHUFFLES)]
    yield Answer(GANGLIA, "three worms", "shuffled pairs, 95 %", "chance", float(np.quantile(chance, 0.95)))
    for question, value in SPLIT_HALF_R.items():
        yield Answer(question, "three worms", "halves of the atlas (published)", "ceiling", value)


def _weights(recording: xr.Dataset, shared: xr.Dataset) -> dict[tuple[str, Role], Array]:
    """Method -> (target, source) weights between standardised neurons, or responses to one of them."""
    r = training_rates(recording)
    finite = np.isfinite(r).all(2)
    r = r[:, : int(finite.all(0).sum())]
    sd, dt_s = r.std((0, 1)), float(recording.attrs["dt_s"])
    found = dict[tuple[str, Role], Array]()
    for name, model in MODELS.items():
        network = curbd.view(recording, fitted(recording, model)).network
        found[name, "model"] = network.J * sd / sd[:, None]
        found[name + RESPONSE, "model"] = impulse_responses(network.J, network.tau_s, r, dt_s, WITHIN_S)
    unit_id = recording["unit_id"].values.astype(str)
    J = shared["J"].sel(target=unit_id, source=unit_id).values
    found[SHARED, "model"] = J
    found[SHARED + RESPONSE, "model"] = impulse_responses(
        J, shared.attrs["tau_s"], pairs.standardised(r), dt_s, WITHIN_S
    )
    found["VAR(1) ridge", "baseline"] = pairs.autoregression(r)
    found["VAR(1) ridge" + RESPONSE, "baseline"] = pairs.impulse_response(r, round(WITHIN_S / dt_s))
    found["lagged regression", "baseline"] = pairs.lagged_regression(r)
    found["correlation", "baseline"] = pairs.correlation(r)
    found["correlation of changes", "baseline"] = pairs.correlation(np.diff(r, axis=1))
    found["partial correlation", "baseline"] = pairs.partial_correlation(r)
    return found


def _of_neurons(case: str, method: str, role: Role, weights: Array, truth: Atlas) -> Iterator[Answer]:
    measured, responding = truth.measured, truth.measured & truth.exists
    value = roc_auc_score(truth.exists[measured], np.abs(weights[measured]))
    yield Answer(ABSOLUTE, case, method, role, float(value))
    value = roc_auc_score(truth.response[responding] > 0, weights[responding])
    yield Answer(SIGNED, case, method, role, float(value))


def _by_chance(case: str, worm: Worm, rng: np.random.Generator) -> Iterator[Answer]:
    """The AUROC that one in twenty networks exceeds if the neurons of the network are exchanged for one another."""
    orders = [rng.permutation(len(worm.weights)) for _ in range(SHUFFLES)]
    exchanged = [
        _of_neurons(case, EXCHANGED, "chance", worm.weights[np.ix_(order, order)], worm.truth) for order in orders
    ]
    for of_question in zip(*exchanged, strict=True):
        yield of_question[0]._replace(value=float(np.quantile([answer.value for answer in of_question], 0.95)))


def _mean_over_worms(worms: list[Worm], names: list[str], response: Array, exists: Array) -> tuple[Array, Atlas]:
    """Mean weights over the worms in which both neurons were recorded, of all neurons of the atlas."""
    total, count = np.zeros(response.shape), np.zeros(response.shape)
    for worm in worms:
        order = np.array([names.index(unit) for unit in worm.unit_id])
        total[np.ix_(order, order)] += worm.weights
        count[np.ix_(order, order)] += 1
    return total / np.maximum(count, 1), Atlas(np.where(count > 0, response, np.nan), exists)


def _of_ganglia(worms: list[Worm]) -> tuple[Array, Array]:
    """(pair of ganglia,) mean |weight| and mean |response| over all measured pairs of neurons of all worms."""
    ganglia = sorted(set.intersection(*(set(worm.region) for worm in worms)))
    both = [
        tuple(
            np.mean(np.concatenate([_of_pair(values(worm), worm, target, source) for worm in worms]))
            for values in (lambda worm: np.abs(worm.weights), lambda worm: np.abs(worm.truth.response))
        )
        for target in ganglia
        for source in ganglia
        if target != source
    ]
    estimate, measured = np.array(both).T
    return estimate, measured


def _of_pair(values: Array, worm: Worm, target: str, source: str) -> Array:
    """(pair,) values of the measured pairs of neurons from one ganglion to another."""
    block = np.ix_(worm.region == target, worm.region == source)
    return values[block][worm.truth.measured[block]]
