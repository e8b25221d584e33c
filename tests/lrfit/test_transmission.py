"""What passes in which context, in a network in which one region gates another."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.network.equation import Network
from curbd.network.perturbed_run import silenced_run
from lrfit.mechanism.transmission import Transmission, context_ratio, gating_index, transmission
from lrfit.teachers import constructed, low_rank_teacher, tasks


def gated(silenced: str = "") -> Transmission:
    """Transmission of the gating teacher, to its region `context`, by population of `relay` and by region."""
    teacher = constructed.gating(0, units=128)
    task = tasks.contextual_decision(400, np.random.default_rng(0), cue=10)
    run = silenced_run(
        teacher.network,
        low_rank_teacher.start_rates(teacher, task.inputs),
        task.inputs,
        teacher.region == silenced,
    )
    sources = {"a": teacher.population == 0, "b": teacher.population == 1, "relay": teacher.region == "relay"}
    targets = {"context": teacher.region == "context"}
    return transmission(teacher.network, run, task.trials["context"].to_numpy(), sources, targets)


def test_the_context_opens_one_population_and_closes_the_other() -> None:
    gating = gated()
    passed = gating.transmitted.sel(target="context")
    assert (context_ratio(passed).max("condition").sel(source=["a", "b"]) >= 3).all()
    assert passed.sel(source="a").argmax("condition") == 0
    assert passed.sel(source="b").argmax("condition") == 1
    # The region as a whole passes as much on in both: what changes is what.
    assert context_ratio(passed).max("condition").sel(source="relay") < 1.2
    assert (np.abs(gating_index(passed).sel(source=["a", "b"])) > 0.5).all()
    # Gain and coupling tell the same of the populations.
    assert (context_ratio(gating.coupling).max("condition").sel(source=["a", "b"]) >= 3).all()
    assert gating.gain.sel(target="context", source="a").argmax("condition") == 0


def test_without_the_region_that_gates_both_pass_as_much() -> None:
    ratio = context_ratio(gated("context").transmitted.sel(target="context"))
    assert (ratio < 1.2).all()


def test_what_passes_is_the_deviation_of_the_current() -> None:
    rng = np.random.default_rng(0)
    rates, condition = np.tanh(rng.standard_normal((6, 30, 5))), np.array(["x", "y"] * 3)
    rates[0, 20:] = np.nan
    J = rng.standard_normal((5, 5))
    source, target = np.arange(5) < 3, np.arange(5) >= 3
    network = Network(J=J, B=np.zeros((5, 0)), b=np.zeros(5), tau_s=0.1, dt_s=0.01)
    passed = transmission(network, rates, condition, {"s": source}, {"t": target})
    chosen = rates[condition == "x"]
    r = chosen[np.isfinite(chosen).all(2)]
    current = r[:, source] @ J[np.ix_(target, source)].T
    wanted = np.sqrt(current.var(0, ddof=1).mean())
    assert float(passed.transmitted.sel(target="t", source="s", condition="x")) == pytest.approx(wanted)
    assert float(passed.gain.sel(target="t", source="s", condition="x")) == pytest.approx(
        (1 - r[:, source] ** 2).mean()
    )


def test_silenced_units_are_silent() -> None:
    teacher = constructed.gating(0, units=32)
    relay = teacher.region == "relay"
    inputs = np.ones((1, 5, 4)) * [1, 0, 1, 0]
    start = low_rank_teacher.start_rates(teacher, inputs)
    run = silenced_run(teacher.network, start, inputs, relay)
    assert not run[..., relay].any()
    low = silenced_run(teacher.network, start, np.zeros_like(inputs), relay, -1.0)
    assert (low[..., relay] == -1).all()
    assert (run[:, 1:, ~relay] != 0).any()
