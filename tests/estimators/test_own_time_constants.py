"""Time constants of single units or regions: found where they differ, common where they do not, and used everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from benchmarks.recorded import recorded
from curbd import teachers
from curbd.dynamics.lyapunov import lyapunov_spectrum
from curbd.dynamics.system import network_system, system_of
from curbd.estimators.fitting import fit
from curbd.inactivation.experiments import run_experiments
from curbd.network.equation import simulate
from curbd.network.file import network_of
from curbd.network.residual import one_step_residual
from curbd.network.truth import true_network
from curbd.network.view import view
from curbd.pathways.currents import decompose
from curbd.pathways.judge import judge
from curbd.scores.score import score
from curbd.settings.experiments import Inactivation
from curbd.settings.models import Model


def model(tau_s: str | float, **keys: object) -> Model:
    return Model.model_validate({"family": "full_rank", "estimator": "one_step", "seeds": [0], "tau_s": tau_s} | keys)


@pytest.fixture(scope="module")
def unequal() -> tuple[teachers.Teacher, xr.Dataset, xr.Dataset, xr.Dataset]:
    """A teacher of units with different time constants, its recording, the truth, and the networks fitted to it."""
    teacher = teachers.unequal_time_constants(units=10, trials=8, samples=400, seed=102)
    recording, truth = recorded(teacher)
    return teacher, recording, truth, fit(recording, model("per_unit"), "unequal").networks


def test_time_constants_of_units_are_found_and_currents_are_better(unequal):
    teacher, recording, truth, networks = unequal
    found = networks["unit_tau_s"].values[0]
    assert np.corrcoef(np.log(found), np.log(teacher.network.unit_tau_s))[0, 1] > 0.9
    assert networks["tau_s"].item() == pytest.approx(np.exp(np.log(found).mean()))
    common = judge(recording, fit(recording, model("estimate")).networks, truth)
    own = judge(recording, networks, truth)
    between = own["target"] != own["source"]
    assert own.loc[between, "true_r2"].mean() > common.loc[between, "true_r2"].mean() + 0.05


def test_tables_have_the_time_constants_and_the_held_out_gain(unequal):
    _, recording, truth, networks = unequal
    scores = score(recording, networks, [0.0], truth)
    np.testing.assert_array_equal(scores.units["tau_s"], networks["unit_tau_s"].values[0])
    assert scores.fits["longest_tau_s"].iloc[0] == networks["unit_tau_s"].max()
    assert (scores.fits["tau_nats"] > 100).all()


@pytest.mark.parametrize(
    "keys", [{"estimator": "sparse"}, {"constraints": {"signs": True, "shuffles": 1}}], ids=["sparse", "constraints"]
)
def test_other_fits_have_the_same_time_constants(unequal, keys):
    _, recording, _, networks = unequal
    types = np.where(np.arange(recording.sizes["unit"]) % 2, "excitatory", "inhibitory")
    fitted = fit(recording.assign_coords(cell_type=("unit", types)), model("per_unit", **keys)).networks
    np.testing.assert_allclose(fitted["unit_tau_s"].values, networks["unit_tau_s"].values, rtol=1e-12)


def test_time_constants_of_regions_are_found():
    teacher = teachers.unequal_time_constants(differ="regions", units=10, trials=8, samples=300, seed=103)
    networks = fit(recorded(teacher)[0], model("per_region")).networks
    found = networks["unit_tau_s"].values[0]
    assert len(np.unique(found)) == 3
    np.testing.assert_allclose(found, teacher.network.unit_tau_s, rtol=0.1)


def test_time_constants_that_do_not_differ_are_drawn_together():
    teacher = teachers.unequal_time_constants(differ="none", units=10, trials=8, samples=300, seed=104)
    networks = fit(recorded(teacher)[0], model("per_unit")).networks
    found = networks["unit_tau_s"].values[0]
    assert found.max() / found.min() < 1.2
    assert networks["tau_nats"].item() < 5


def test_currents_of_all_sources_sum_to_the_total_current(unequal):
    teacher, recording, truth, networks = unequal
    seen = view(recording, networks)
    residual = one_step_residual(seen.network, seen.r, seen.u)
    total = decompose(recording, networks).sum("source", skipna=False).values[0]
    np.testing.assert_allclose(total[:, :-1], residual.y - residual.error, atol=1e-10)
    # Without noise, the total current is that of the true network, with the time constant of every unit.
    quiet = simulate(true_network(truth), np.arctanh(teacher.rates[:, 0]), teacher.inputs)
    exact = one_step_residual(true_network(truth), quiet, teacher.inputs)
    np.testing.assert_allclose(exact.error, 0, atol=1e-9)
    np.testing.assert_allclose(exact.y, (quiet @ teacher.network.J.T)[:, :-1], atol=1e-9)


def test_experiments_run_with_the_time_constant_of_every_unit(unequal):
    teacher, recording, truth, networks = unequal
    quiet = simulate(true_network(truth), np.arctanh(teacher.rates[:, 0]), teacher.inputs)
    axes = [("trial", "time", "unit").index(name) for name in recording["rates"].dims]
    noise_free = recording.assign(rates=(recording["rates"].dims, quiet.transpose(axes)))
    silence = {"silence": Inactivation(kind="region", region="A", start_s=2.0, stop_s=3.0)}
    outcome = run_experiments(noise_free, networks, silence, truth)
    intact = outcome.true_effects.intact[0, 0, 0]
    units = recording["region"].values == "B"
    np.testing.assert_allclose(intact[:, outcome.regions.index("B")], quiet[..., units].mean((0, 2)), atol=1e-9)


def test_the_vector_field_makes_the_steps_of_the_network(unequal):
    _, recording, _, networks = unequal
    system = system_of(view(recording, networks))
    network = network_of(networks, 0)
    field = system.field(np.zeros(0))
    z = system.z[0, 50]
    x = np.stack([np.arctanh(recording["rates"].transpose("trial", "time", "unit").values[0, 50])])
    later = np.arctanh(simulate(network, x, np.zeros((1, 2, 0)))[0, 1])
    np.testing.assert_allclose(
        field.rates(z + field.step_s / field.tau_s * field.velocity(z)), np.tanh(later), atol=1e-9
    )
    nearby = z + 1e-6 * np.eye(len(z))
    slopes = (field.velocity(nearby) - field.velocity(z)).T / 1e-6
    np.testing.assert_allclose(field.recurrence(z) - np.eye(len(z)), slopes, atol=1e-4)


def test_with_equal_time_constants_both_descriptions_of_the_dynamics_agree(unequal):
    _, recording, _, networks = unequal
    seen = view(recording, networks.assign(unit_tau_s=networks["unit_tau_s"] * 0 + networks["tau_s"]))
    plain = network_system(seen.network._replace(unit_tau_s=None), seen.r, seen.u, seen.region)
    fields = [system.field(np.zeros(0)) for system in (system_of(seen), plain)]
    spectra = [lyapunov_spectrum(field, plain.z[0]).exponents for field in fields]
    np.testing.assert_allclose(spectra[0], spectra[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"estimator": "force"}, "expected a number, estimate, or the estimator one_step or sparse"),
        ({"family": "low_rank", "estimator": "reduced_rank"}, "of the family full_rank"),
        ({"options": {"hidden_inputs": "auto"}}, "hidden_inputs in the options"),
        ({"options": {"adaptation": "auto"}}, "adaptation in the options"),
        ({"nonlinearity": "relu"}, "expected another nonlinearity"),
    ],
)
def test_what_excludes_own_time_constants_is_said_before_any_work(keys, message):
    with pytest.raises(ValidationError, match=message):
        model("per_unit", **keys)
