"""What holds for every estimator: only training trials are fitted, one fit for each seed, clear error messages."""

import numpy as np
import pytest
import torch
import xarray as xr

import curbd
import lrfit
from curbd.errors import UserError
from curbd.estimators.fitting import FULL_RANK, Registered, fit_seeds
from curbd.estimators.training_data import all_trials
from curbd.network.file import network_of
from curbd.recording.scaling import scaled_rates
from curbd.settings.estimators import ESTIMATORS
from curbd.settings.models import Model
from curbd.storage.netcdf import read_netcdf, write_netcdf
from lrfit.estimators.fitting import LOW_RANK
from tests.support.known_network import recorded

EVERY = [
    (family, estimator)
    for family, estimators in ESTIMATORS.items()
    for estimator in estimators
    if estimator != "population"
]
"""Estimators of networks of units; tests/lrfit/population_network has those of the population network."""
QUICK = {"force": {"passes": 2}, "trajectory": {"max_rank": 3, "steps": 30}}
"""Options that make a fit fast; no test here depends on the quality of a fit."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("teacher"), units=5, trials=15, samples=40, seed=3)[0]


@pytest.fixture(scope="module")
def undeclared(tmp_path_factory):
    """A longer recording whose inputs were not recorded."""
    return recorded(tmp_path_factory.mktemp("teacher"), units=8, trials=15, samples=100, inputs="hidden", seed=100)[0]


def counted(recording):
    """The recording, changed as if its rates were spike counts."""
    rates = 25 * (1 + recording["rates"])
    return (
        recording.assign(rates=rates)
        .assign_coords(scale=recording["scale"] * 25)
        .assign_attrs(activity="rates", silent=-1.0)
    )


@pytest.fixture(scope="module", params=EVERY, ids="-".join)
def estimator(request):
    """Family and estimator, one pair after the other."""
    return request.param


@pytest.fixture(scope="module")
def networks(recording, estimator):
    """Two fits of the recording by every estimator."""
    return fitted(recording, *estimator)[0]


def fitted(recording, family, estimator, seeds=(0, 1), options=None):
    options = QUICK.get(estimator, {}) if options is None else options
    model = Model(family=family, estimator=estimator, options=options, seeds=list(seeds))
    return {"full_rank": curbd, "low_rank": lrfit}[family].fit(recording, model)


def test_every_estimator_of_the_config_exists():
    assert set(ESTIMATORS["full_rank"]) == set(FULL_RANK)
    assert set(ESTIMATORS["low_rank"]) == {*LOW_RANK, "population"}


def require_same_without_test_trials(recording, networks, family, estimator, options=None):
    """Check that the networks do not depend on the test trials."""
    changed = recording.copy(deep=True)
    held_out = changed["split"].values == "test"
    assert held_out.any()
    changed["rates"][held_out] = 0.5
    changed["inputs"][held_out] = 7.0
    refitted, seconds = fitted(changed, family, estimator, options=options)
    for name in networks.data_vars:
        # Rates and hidden inputs of held-out trials are inferred from the held-out trials, and left out here.
        before, after = (fits[name].isel(trial=~held_out, missing_dims="ignore") for fits in (networks, refitted))
        np.testing.assert_array_equal(before.values, after.values, err_msg=str(name))
    assert len(seconds) == 2


def test_test_trials_change_nothing(recording, networks, estimator):
    require_same_without_test_trials(recording, networks, *estimator)


def test_test_trials_change_no_hidden_input(undeclared):
    networks, _ = fitted(undeclared, "full_rank", "one_step", options={"hidden_inputs": "auto"})
    assert networks.sizes["hidden_input"] > 0
    require_same_without_test_trials(undeclared, networks, "full_rank", "one_step", {"hidden_inputs": "auto"})


@pytest.mark.parametrize("options", [{"noise": "counts"}, {"noise": "calcium", "indicator_s": 0.05}])
def test_test_trials_change_no_inferred_rate(recording, options):
    recording = counted(recording) if options["noise"] == "counts" else recording
    options = options | {"rounds": 3}
    networks, _ = fitted(recording, "full_rank", "state_space", options=options)
    assert "inferred_rates" in networks
    require_same_without_test_trials(recording, networks, "full_rank", "state_space", options)


def test_each_seed_is_a_resample_and_the_first_is_the_data_themselves(recording, networks, estimator):
    alone, _ = fitted(recording, *estimator, seeds=(0,))
    np.testing.assert_array_equal(networks["J"].values[0], alone["J"].values[0])
    assert not np.allclose(networks["J"].values[0], networks["J"].values[1])


def test_the_stored_networks_come_back_as_they_were(networks, estimator, tmp_path):
    write_netcdf({"/": networks}, tmp_path / "network.nc")
    stored = read_netcdf(tmp_path / "network.nc")
    for name in networks.variables:
        np.testing.assert_array_equal(stored[name].values, networks[name].values)
    assert (stored.attrs["family"], stored.attrs["estimator"]) == estimator
    np.testing.assert_array_equal(network_of(stored, 1).J, networks["J"].values[1])


def test_a_unit_that_is_never_observed_with_the_others_leaves_nothing_to_fit(recording):
    broken = recording.copy(deep=True)
    broken["rates"][:, ::2, 0] = np.nan
    with pytest.raises(UserError, match="no two consecutive training bins"):
        curbd.fit(broken, Model(family="full_rank"))


def test_an_input_without_a_value_is_named(recording):
    broken = recording.copy(deep=True)
    broken["inputs"][np.flatnonzero(broken["split"].values == "train")[0], 3, 1] = np.nan
    with pytest.raises(UserError, match="step"):
        curbd.fit(broken, Model(family="full_rank"))


def test_an_euler_step_longer_than_the_time_constant_is_an_error(recording):
    dt_s = recording.attrs["dt_s"]
    with pytest.raises(UserError, match=r"recording teacher, model: found tau_s: .* set substeps: 3 or more"):
        curbd.fit(recording, Model(family="full_rank", tau_s=0.4 * dt_s, substeps=2))
    rates = scaled_rates(recording).values
    assert all_trials(recording, Model(family="full_rank", tau_s=0.4 * dt_s, substeps=3), rates).substeps == 3
    assert all_trials(recording, Model(family="full_rank", tau_s=dt_s), rates).substeps == 1


@pytest.mark.parametrize("estimator", [None, "shooting"])
@pytest.mark.parametrize(("package", "family"), [("curbd", "low_rank"), ("lrfit", "full_rank")])
def test_a_model_of_the_other_family_is_sent_to_the_other_package(recording, package, family, estimator):
    expected, package_of_model = ("full_rank", "lrfit") if package == "curbd" else ("low_rank", "curbd")
    message = rf"{package}\.fit: found family: {family}, expected {expected}; use {package_of_model}\.fit"
    with pytest.raises(UserError, match=message):
        {"curbd": curbd, "lrfit": lrfit}[package].fit(recording, Model(family=family, estimator=estimator))


@pytest.mark.parametrize(("family", "estimator"), [pair for pair in EVERY if pair[1] != "force"])
def test_a_recording_of_one_short_stretch_can_be_fitted(tmp_path, family, estimator):
    short, _ = recorded(tmp_path, units=3, trials=2, samples=30, inputs="none", seed=1)
    assert (short["split"] == "train").sum() == 1
    networks, _ = fitted(short, family, estimator)
    assert np.isfinite(networks["J"].values).all()


def test_seeds_that_are_fitted_at_the_same_time_are_those_that_are_fitted_in_turn(recording, one_thread):
    in_turn = fitted(recording, "full_rank", "force", seeds=(0, 1, 2))[0]
    torch.set_num_threads(3)
    at_once = fitted(recording, "full_rank", "force", seeds=(0, 1, 2))[0]
    assert torch.get_num_threads() == 3
    # The time constant is estimated by sums whose order depends on the number of threads.
    np.testing.assert_allclose(in_turn["J"].values, at_once["J"].values, rtol=1e-8)


def test_an_interrupted_fit_goes_on_with_the_next_seed(recording, tmp_path):
    model = Model(family="full_rank", seeds=[0, 1, 2])
    fitted_trials = []

    def interrupted_in_the_third(training, options, rng):
        if len(fitted_trials) == 2:
            raise KeyboardInterrupt
        return counting(training, options, rng)

    def counting(training, options, rng):
        fitted_trials.append(training.trial)
        return FULL_RANK["one_step"].estimator(training, options, rng)

    def fits(estimator):
        return fit_seeds(recording, model, None, {"one_step": Registered(estimator)}, tmp_path).networks

    with pytest.raises(KeyboardInterrupt):
        fits(interrupted_in_the_third)
    resumed = fits(counting)
    assert len(fitted_trials) == 3
    xr.testing.assert_identical(resumed, curbd.fit(recording, model).networks)
