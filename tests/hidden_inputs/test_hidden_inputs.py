"""Hidden inputs are found where they exist and nowhere else, and are sources like recorded inputs afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pydantic import ValidationError

from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.estimators.one_step import one_step
from curbd.hidden_inputs.search import infer_hidden_inputs, with_hidden_input_search
from curbd.hidden_inputs.side_by_side import side_by_side
from curbd.hidden_inputs.spectra import from_frequencies, to_frequencies
from curbd.inactivation import inactivate
from curbd.network.equation import Network
from curbd.network.file import network_of
from curbd.network.fit import Fit, Hidden
from curbd.network.view import view
from curbd.pathways.currents import current_table, decompose
from curbd.pathways.judge import judge
from curbd.report.drawing import report_style
from curbd.report.fit_figures import unit_traces
from curbd.report.picture import saved
from curbd.report.reading import ModelResults
from curbd.scores.score import score
from curbd.settings.estimators import OneStep
from curbd.settings.experiments import Inactivation
from curbd.settings.models import Model
from tests.support.known_network import recorded
from tests.support.recovery import correlation, current, training_data

Array = np.ndarray
UNITS = 20
SETTINGS: dict[str, Any] = {"units": UNITS, "trials": 16, "samples": 150, "substeps": 1}


def fitted(inputs: str, hidden_inputs: Any, seed: int = 100) -> tuple[teachers.Teacher, Fit]:
    """A teacher and its one-step fit, with hidden inputs of all trials."""
    teacher = teachers.multi_region(inputs=inputs, seed=seed, **SETTINGS)
    estimator = with_hidden_input_search(one_step)
    data = training_data(teacher, tau_s=0.1)
    hidden_fit = estimator(data, OneStep(hidden_inputs=hidden_inputs), np.random.default_rng(0))
    return teacher, infer_hidden_inputs(hidden_fit, data)


def within_region(teacher: teachers.Teacher, network: Network) -> float:
    """Mean correlation of the currents that regions send to themselves with the true currents."""
    regions = [teacher.region == name for name in np.unique(teacher.region)]
    return float(
        np.mean(
            [
                correlation(*(current(weights, teacher.rates, rows, rows) for weights in (network, teacher.network)))
                for rows in regions
            ]
        )
    )


def test_hidden_inputs_are_found_together_with_the_time_constant() -> None:
    teacher = teachers.multi_region(inputs="hidden", seed=100, **SETTINGS)
    hidden_fit = with_hidden_input_search(one_step)(
        training_data(teacher), OneStep(hidden_inputs=1), np.random.default_rng(0)
    )
    assert hidden_fit.slow_factors is not None
    assert hidden_fit.network.tau_s == pytest.approx(0.1, rel=0.2)


def test_hidden_inputs_are_found_and_no_longer_attributed_to_the_regions() -> None:
    teacher, plain = fitted("hidden", "none")
    _, hidden_fit = fitted("hidden", "auto")
    assert hidden_fit.hidden is not None
    # The teacher drives its second region by a sine and its third by a step.
    assert hidden_fit.hidden.region.tolist() == [1, 2]
    assert within_region(teacher, plain.network) < 0.91
    assert within_region(teacher, hidden_fit.network) > 0.95
    inferred = hidden_fit.hidden.values @ hidden_fit.network.B.T
    for region in ("B", "C"):
        rows = teacher.region == region
        assert correlation(inferred[..., rows], teacher.drive[..., rows]) > 0.9
    assert not inferred[..., teacher.region == "A"].any()


@pytest.mark.parametrize("inputs", ["none", "known"])
def test_nothing_is_found_where_nothing_is_hidden(inputs: str) -> None:
    _, plain = fitted(inputs, "none")
    _, hidden_fit = fitted(inputs, "auto")
    assert hidden_fit.hidden is not None
    assert not len(hidden_fit.hidden.region)
    for value, expected in zip(hidden_fit.network, plain.network, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_the_number_of_hidden_inputs_can_be_set() -> None:
    _, hidden_fit = fitted("none", 2)
    assert hidden_fit.hidden is not None
    assert hidden_fit.hidden.region.tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(ValidationError):
        OneStep(hidden_inputs=4)


def test_hidden_inputs_of_a_trial_that_was_not_fitted_are_inferred_from_that_trial() -> None:
    _, hidden_fit = fitted("hidden", "auto")
    assert hidden_fit.hidden is not None
    more = teachers.multi_region(inputs="hidden", seed=100, **(SETTINGS | {"trials": 17}))
    data = training_data(more, tau_s=0.1)
    ragged = data.r.copy()
    ragged[0, 100:] = np.nan
    elsewhere = infer_hidden_inputs(hidden_fit, data._replace(r=ragged, trial=np.arange(17)))
    assert elsewhere.hidden is not None
    assert np.isnan(elsewhere.hidden.values[0, 100:]).all()
    assert np.isfinite(elsewhere.hidden.values[1:]).all()
    # The hidden inputs of the short trial depend on its own bins only.
    alone = infer_hidden_inputs(hidden_fit, data._replace(r=data.r[:1, :100], u=data.u[:1, :100], trial=np.arange(1)))
    assert alone.hidden is not None
    np.testing.assert_allclose(elsewhere.hidden.values[0, :100], alone.hidden.values[0], atol=1e-9)
    np.testing.assert_array_equal(elsewhere.network.J, hidden_fit.network.J)


def test_the_transform_of_runs_is_undone(rng: np.random.Generator) -> None:
    run = np.repeat([0, 1, 2, 3], [5, 1, 8, 5])
    values = rng.standard_normal((len(run), 3))
    rows, w = to_frequencies(values, run)
    np.testing.assert_allclose((rows**2).sum(0), (values**2).sum(0))
    np.testing.assert_allclose(from_frequencies(rows, run), values)
    assert w[5] == 0.0
    assert w[6:14].max() == pytest.approx(np.pi * 7 / 8)


def test_fits_with_different_numbers_of_hidden_inputs_get_the_same_inputs() -> None:
    def fit_with(region: list[int]) -> Fit:
        n_hidden = len(region)
        B = np.arange(1.0, 1 + n_hidden) * np.ones((2, 1))
        network = Network(J=np.zeros((2, 2)), B=B, b=np.zeros(2), tau_s=0.1, dt_s=0.01)
        values = np.arange(1.0, 1 + n_hidden) * np.ones((1, 4, 1))
        hidden = Hidden(np.array(region, dtype=int), np.ones(n_hidden), values)
        return Fit(network, hidden=hidden)

    fits = side_by_side([fit_with([0, 1, 1]), fit_with([1]), fit_with([])])
    for arranged in fits:
        assert arranged.hidden is not None
        assert arranged.hidden.region.tolist() == [0, 1, 1]
    assert [arranged.network.B[0].tolist() for arranged in fits] == [[1, 2, 3], [0, 1, 0], [0, 0, 0]]
    assert fits[1].hidden is not None
    assert fits[1].hidden.values[0, 0].tolist() == [0, 1, 0]


def test_a_fit_without_hidden_inputs_gets_those_of_another_fit_with_values_of_zero() -> None:
    teacher, some = fitted("hidden", "auto")
    _, none = fitted("none", "auto")
    assert none.hidden is not None
    assert not len(none.hidden.region)
    data = training_data(teacher, tau_s=0.1)
    fits = side_by_side([infer_hidden_inputs(without_values, data) for without_values in (some, none)])
    values = np.stack([arranged.hidden.values for arranged in fits if arranged.hidden is not None])
    assert values.shape == (2, *teacher.rates.shape[:2], 2)
    assert not values[1].any()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Recording, truth and two fits, one of them to a resample."""
    recording, truth = recorded(Path(tmp_path_factory.mktemp("hidden")), inputs="hidden", seed=100, **SETTINGS)
    model = Model(family="full_rank", estimator="one_step", options={"hidden_inputs": "auto"}, seeds=[0, 1], tau_s=0.1)
    return recording, truth, fit(recording, model, "with_hidden")[0]


def test_the_network_file_names_the_hidden_inputs(whole: tuple[xr.Dataset, xr.Dataset, xr.Dataset]) -> None:
    recording, _, networks = whole
    assert networks["input"].values.tolist() == ["hidden_1", "hidden_2"]
    assert networks["hidden_region"].values.tolist() == ["B", "C"]
    assert networks["hidden"].dims == ("seed", "trial", "time", "hidden_input")
    assert networks.sizes["trial"] == recording.sizes["trial"]
    assert networks["input_hidden"].values.tolist() == [True, True]
    second = view(recording, networks, 1)
    assert second.input_name.tolist() == ["hidden_1", "hidden_2"]
    np.testing.assert_array_equal(second.u, networks["hidden"].values[1])


def test_hidden_inputs_are_sources_and_the_sources_sum_to_the_total_current(
    whole: tuple[xr.Dataset, xr.Dataset, xr.Dataset],
) -> None:
    recording, _, networks = whole
    current = decompose(recording, networks)
    assert current["source"].values.tolist() == ["A", "B", "C", "input:hidden_1", "input:hidden_2", "bias"]
    for fit_index in range(2):
        network, hidden = network_of(networks, fit_index), networks["hidden"].values[fit_index]
        total = recording["rates"].values @ network.J.T + hidden @ network.B.T + network.b
        np.testing.assert_allclose(current.values[fit_index].sum(0), total, rtol=1e-10, atol=1e-12)
    table = current_table(recording, networks)
    assert {"input:hidden_1", "input:hidden_2"} <= set(table["source"])
    assert np.isfinite(table[["ci_low", "ci_high"]].to_numpy()).all()


def test_pathways_and_experiments_include_hidden_inputs(whole: tuple[xr.Dataset, xr.Dataset, xr.Dataset]) -> None:
    recording, truth, networks = whole
    table = judge(recording, networks, truth).set_index(["target", "source"])
    assert table.loc[("B", "input:hidden_1"), "rms"] > 0.1
    assert table.loc[("A", "input:hidden_1"), "rms"] == 0.0
    assert table.loc[("B", "B"), "true_r2"] > 0.85
    experiments = {"silence": Inactivation(), "cut": Inactivation(kind="input")}
    effects = inactivate(recording, networks, experiments, truth)
    assert set(effects["perturbation"]) == {"silence:A", "silence:B", "silence:C", "cut:hidden_1", "cut:hidden_2"}
    cut = effects[effects["perturbation"] == "cut:hidden_1"]
    assert cut.groupby("target")["effect_rms"].mean().idxmax() == "B"


def test_a_free_run_is_better_with_hidden_inputs(whole: tuple[xr.Dataset, xr.Dataset, xr.Dataset]) -> None:
    recording, truth, networks = whole
    plain = Model(family="full_rank", estimator="one_step", seeds=[0], tau_s=0.1)
    without = score(recording, fit(recording, plain, "plain")[0], [0.0], truth)[0]
    with_hidden = score(recording, networks, [0.0, 0.0], truth)[0]
    r2, r2_without = (rows[rows["split"] == "train"]["free_run_r2"].iloc[0] for rows in (with_hidden, without))
    assert r2 > r2_without + 0.3


def test_held_out_scores_do_not_use_what_was_inferred_from_the_held_out_trials(
    whole: tuple[xr.Dataset, xr.Dataset, xr.Dataset],
) -> None:
    recording, truth, networks = whole
    changed = networks.copy(deep=True)
    changed["hidden"][:, recording["split"].values == "test"] *= -3.0
    before, after = (score(recording, fits, [0.0, 0.0], truth)[0] for fits in (networks, changed))
    pd.testing.assert_frame_equal(before, after)


def test_the_free_run_of_a_held_out_trial_is_shown_without_hidden_inputs(
    whole: tuple[xr.Dataset, xr.Dataset, xr.Dataset],
) -> None:
    recording, truth, networks = whole
    first = view(recording, networks)
    held_out = recording["split"].values == "test"
    np.testing.assert_array_equal(first.forecast_inputs[~held_out], first.u[~held_out])
    units = score(recording, networks, [0.0, 0.0]).units.rename(columns={"one_step_r2": "one_step_r2:with_hidden"})
    changed = networks.copy(deep=True)
    changed["hidden"][:, held_out] *= -3.0
    palette = dict.fromkeys("ABC", "black")
    with report_style():
        drawings = [
            unit_traces(
                ModelResults(
                    name="with_hidden", recording=recording, truth=truth, networks=fits, tables={"units": units}
                ),
                palette,
            )
            for fits in (networks, changed)
        ]
        assert drawings[0] is not None
        assert drawings[1] is not None
        assert saved(drawings[0].figure, "png") == saved(drawings[1].figure, "png")
