"""Adaptation of units: found where units adapt, refused where they do not, and carried by every run of the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from benchmarks.recorded import recorded
from curbd import teachers
from curbd.errors import UserError
from curbd.estimators.fitting import fit
from curbd.inactivation.experiments import run_experiments
from curbd.network.adaptation import adaptation_states
from curbd.network.equation import free_run, simulate
from curbd.network.file import network_of
from curbd.network.residual import one_step_residual
from curbd.network.sources import SELF_ADAPTATION
from curbd.network.truth import true_network
from curbd.network.view import view
from curbd.pathways.currents import decompose
from curbd.pathways.judge import judge
from curbd.scores.forecasts import rollout
from curbd.scores.score import score
from curbd.settings.experiments import Inactivation
from curbd.settings.models import Model
from curbd.settings.plan_reading import read_plan


def model(**options: object) -> Model:
    keys = {"family": "full_rank", "estimator": "one_step", "seeds": [0], "tau_s": 0.1, "options": options}
    return Model.model_validate(keys)


@pytest.fixture(scope="module")
def adapting() -> tuple[teachers.Teacher, xr.Dataset, xr.Dataset, xr.Dataset]:
    """A teacher of adapting units, its recording, the truth, and the networks that are fitted to the recording."""
    teacher = teachers.adapting(units=8, trials=10, samples=400, seed=100)
    recording, truth = recorded(teacher)
    return teacher, recording, truth, fit(recording, model(adaptation=[0.3, 1.0, 3.0]), "adapting").networks


def test_time_constant_and_strengths_are_found(adapting):
    teacher, _, _, networks = adapting
    adaptation = network_of(networks, 0).adaptation
    assert adaptation.tau_s == 1.0
    assert np.corrcoef(adaptation.strength, teacher.network.adaptation.strength)[0, 1] > 0.9
    assert networks["adaptation_nats"].item() > 100


def test_currents_between_regions_are_better_with_adaptation(adapting):
    _, recording, truth, networks = adapting
    without = judge(recording, fit(recording, model()).networks, truth)
    with_adaptation = judge(recording, networks, truth)
    between = without["target"] != without["source"]
    assert with_adaptation.loc[between, "true_r2"].mean() > without.loc[between, "true_r2"].mean()


def test_currents_of_all_sources_sum_to_the_predicted_current(adapting):
    _, recording, _, networks = adapting
    seen = view(recording, networks)
    residual = one_step_residual(seen.network, seen.r, seen.u)
    currents = decompose(recording, networks)
    assert currents["source"].values.tolist()[-1] == SELF_ADAPTATION
    total = currents.sum("source", skipna=False).values[0]
    np.testing.assert_allclose(total[:, :-1], residual.y - residual.error, atol=1e-10)


def test_no_adaptation_is_chosen_where_units_do_not_adapt():
    recording, _ = recorded(teachers.adapting(strength=0.0, units=8, trials=10, samples=400, seed=101))
    networks = fit(recording, model(adaptation="auto")).networks
    assert "adaptation_strength" not in networks
    assert networks["adaptation_nats"].item() < 0
    table = score(recording, networks, [0.0]).fits
    assert table["adaptation_tau_s"].isna().all()


def test_runs_carry_the_adaptation(adapting):
    teacher, recording, truth, networks = adapting
    true = true_network(truth)
    u = teacher.inputs
    quiet = simulate(true, np.arctanh(teacher.rates[:, 0]), u)
    np.testing.assert_allclose(free_run(true, quiet, u), quiet, atol=1e-12)
    # A rollout starts in the middle of a trial, with the adaptation of the rates before.
    predicted = rollout(true, quiet, u, horizon=10)
    np.testing.assert_allclose(predicted, quiet[:, 10::10][:, : predicted.shape[1]], atol=1e-9)
    states = adaptation_states(true.adaptation, quiet, true.dt_s)
    np.testing.assert_allclose(
        simulate(true, np.arctanh(quiet[:, 50]), u[:, 50:], adapted=states[:, 50]), quiet[:, 50:], atol=1e-12
    )
    # Experiments that begin late start from the same adaptation: an intact run is the run from the first sample on.
    noise_free = recording.assign(rates=(recording["rates"].dims, quiet.transpose(_axes(recording))))
    experiment = {"silence": Inactivation(kind="region", region="A", start_s=2.0, stop_s=3.0)}
    outcome = run_experiments(noise_free, networks, experiment, truth)
    intact = outcome.true_effects.intact[0, 0, 0]
    units = recording["region"].values == "B"
    np.testing.assert_allclose(intact[:, outcome.regions.index("B")], quiet[..., units].mean((0, 2)), atol=1e-9)


def _axes(recording: xr.Dataset) -> list[int]:
    return [("trial", "time", "unit").index(name) for name in recording["rates"].dims]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"options": {"adaptation": True, "hidden_inputs": "auto"}}, "both explain slow currents"),
        ({"estimator": "shooting", "options": {"adaptation": "auto"}}, "expected one_step or sparse"),
        ({"options": {"adaptation": 0.5}, "constraints": {"signs": True}}, "expected adaptation: false"),
        ({"options": {"adaptation": -1.0}}, "adaptation"),
    ],
)
def test_what_excludes_adaptation_is_said_before_any_work(keys, message):
    with pytest.raises(ValidationError, match=message):
        Model.model_validate({"family": "full_rank", "estimator": "one_step"} | keys)


def test_dynamics_of_adapting_units_are_refused(tmp_path: Path):
    (tmp_path / "a.h5").write_bytes(b"")
    table = tmp_path / "recordings.tsv"
    table.write_text("recording\tpath\tformat\na\ta.h5\thdf5\n", encoding="utf-8")
    models = {"adapting": {"family": "full_rank", "options": {"adaptation": True}}}
    with pytest.raises(UserError, match="fixed points and cycles of adapting units"):
        read_plan({"recordings": str(table), "models": models, "dynamics": "autonomous"})
