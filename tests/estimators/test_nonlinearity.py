"""Networks of relu, softplus and exponential units are recognised, and their currents have the right size."""

import numpy as np
import pytest

from benchmarks.recorded import recorded
from curbd.errors import UserError
from curbd.estimators.fitting import fit
from curbd.estimators.nonlinearity_choice import candidates
from curbd.network.nonlinearity import EXPONENTIAL, RELU, softplus
from curbd.network.truth import comparable_truth
from curbd.network.view import view
from curbd.pathways.pathway_evidence import truth_evidence
from curbd.scores.score import score
from curbd.settings.models import Model
from curbd.teachers import multi_region

TEACHERS = {
    "relu": {"nonlinearity": RELU, "bias": 0.5, "inhibition": 1.5},
    "softplus": {"nonlinearity": softplus(), "inhibition": 1.5},
    "exponential": {"nonlinearity": EXPONENTIAL, "gain": 0.4, "bias": -0.5, "inhibition": 1.0},
}


def teacher_of(name: str):
    """A small teacher, and the network behind it."""
    return recorded(
        multi_region(**{"gain": 1.0} | TEACHERS[name], units=8, trials=20, samples=200, substeps=1, seed=101)
    )


@pytest.mark.parametrize("name", list(TEACHERS))
def test_currents_of_the_right_nonlinearity_have_the_true_size_and_add_up(name):
    recording, truth = teacher_of(name)
    fits = fit(recording, Model(family="full_rank", nonlinearity=name, seeds=[0], tau_s=0.1))
    seen = view(recording, fits.networks)
    total = sum(seen.current(source) for source in seen.sources)
    drawn_up = seen.r @ seen.network.J.T + seen.u @ seen.network.B.T + seen.network.b
    np.testing.assert_allclose(total, drawn_up, rtol=1e-10, atol=1e-10)
    evidence = truth_evidence(seen, seen, truth)
    assert 0.8 < np.nanmedian(evidence["true_ratio"]) < 1.2
    assert np.nanmedian(evidence["true_r"]) > 0.8
    scores = score(recording, fits.networks, fits.seconds, truth).fits
    assert set(scores["nonlinearity"]) == {name}
    held_out = scores[scores["split"] == "test"].iloc[0]
    assert held_out["one_step_r2"] > 0.7 * held_out["one_step_ceiling_r2"]


@pytest.mark.parametrize("name", list(TEACHERS))
def test_held_out_likelihood_recognises_the_nonlinearity(name):
    recording, _ = teacher_of(name)
    measured = recording.assign_coords(scale=recording["scale"] * 3.0)
    measured.attrs |= {"activity": "rates", "nonlinearity": "tanh"}
    networks = fit(measured, Model(family="full_rank", nonlinearity="auto", seeds=[0], tau_s=0.1)).networks
    assert networks.attrs["phi"] == name
    assert networks.attrs["nonlinearity_nats"] > 0


def test_the_truth_of_another_nonlinearity_is_never_compared():
    recording, truth = teacher_of("softplus")
    assert comparable_truth(recording, truth, "softplus") is truth
    assert comparable_truth(recording, truth, "tanh") is None
    recording.attrs["activity"] = "rates"
    assert comparable_truth(recording, truth, "softplus") is None


def test_negative_activity_and_other_estimators_are_refused():
    recording, _ = recorded(multi_region(units=4, trials=6, samples=40, seed=101))
    with pytest.raises(UserError, match="never negative"):
        fit(recording, Model(family="full_rank", nonlinearity="relu", seeds=[0]))
    with pytest.raises(ValueError, match="expected tanh, or one of the estimators one_step, block_rank"):
        Model(family="full_rank", estimator="sparse", nonlinearity="softplus")


def test_relu_units_that_are_often_silent_are_recognised_without_being_asked_for():
    recording, _ = teacher_of("relu")
    recording.attrs |= {"activity": "rates", "nonlinearity": "tanh"}
    default = Model(family="full_rank", seeds=[0], tau_s=0.1)
    assert fit(recording, default).networks.attrs["phi"] == "relu"
    assert [phi.name for phi in candidates(recording, default)] == ["tanh", "relu"]
    counts = recording.assign(rates=np.round(5 * recording["rates"]))
    below_zero = recording.assign(rates=recording["rates"] - 0.1)
    hardly_silent = recording.assign(rates=recording["rates"] + 0.1)
    smoothed = recording.assign_attrs(smoothing_s=0.1)
    for activity in (counts, below_zero, hardly_silent, smoothed, recording.assign_attrs(format="nwb")):
        assert [phi.name for phi in candidates(activity, default)] == ["tanh"]
    for key, value in {"options": {"adaptation": True}, "substeps": 5, "tau_s": "per_unit"}.items():
        model = default.model_copy(update={key: value})
        assert [phi.name for phi in candidates(recording, model)] == ["tanh"]


def test_the_time_constant_of_units_that_are_often_silent_is_not_too_short():
    teacher = multi_region(gain=1.0, **TEACHERS["relu"], units=12, trials=20, samples=150, substeps=1, seed=101)
    recording, _ = recorded(teacher)
    for options in ({"penalties": "evidence"}, {}):
        model = Model(family="full_rank", nonlinearity="relu", options=options, seeds=[0])
        networks = fit(recording, model).networks
        assert set(networks["penalty_by"].values) == {"evidence" if options else "sparse_prior"}
        assert float(networks["tau_s"][0]) == pytest.approx(teacher.network.tau_s, rel=0.15)
