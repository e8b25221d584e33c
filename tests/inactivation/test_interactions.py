"""Measures of several experiments together: direct and total effects, windows, messages, and synergy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables
from curbd.estimators.fitting import fit
from curbd.inactivation import run_experiments
from curbd.inactivation.interactions import interaction_table
from curbd.inactivation.messages import transmitter_index
from curbd.inactivation.tabulate import inactivation_table
from curbd.network.file_content import to_dataset
from curbd.network.fit import Fit
from curbd.network.truth import true_network
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from tests.support.known_network import known_networks, recorded, small

QUICK = ExperimentSettings(groups=0)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, xr.Dataset]:
    return small(tmp_path_factory.mktemp("teacher"))


def interactions(recording: xr.Dataset, networks: xr.Dataset, **experiments: dict[str, Any]) -> pd.DataFrame:
    checked = {name: Inactivation.model_validate(settings) for name, settings in experiments.items()}
    outcome = run_experiments(recording, networks, checked, settings=QUICK)
    table = interaction_table(outcome, inactivation_table(outcome))
    assert tables.problems("interactions", table) == []
    return table


def converging(recording: xr.Dataset, truth: xr.Dataset, weight: float) -> xr.Dataset:
    """A and B are active without input and drive every unit of C; no other regions are connected."""
    region = recording["region"].values
    J = np.where(np.outer(region == "C", region != "C"), weight / 8, 0.0)
    network = true_network(truth)
    network = network._replace(J=J, B=0 * network.B, b=np.where(region == "C", 0.0, 3.0))
    return to_dataset([Fit(network)], recording, "made", Model(family="full_rank", seeds=[0]))


def test_the_direct_share_is_1_where_the_target_has_no_other_input(teacher: tuple[xr.Dataset, xr.Dataset]) -> None:
    recording, truth = teacher
    networks = converging(recording, truth, 0.1)
    # The last fraction of the graded series silences the whole region once more.
    graded = {"region": "A", "fraction": [0.5, 1.0]}
    table = interactions(recording, networks, silence={}, cut={"kind": "pathway"}, graded=graded)
    table = table[~table["perturbation"].str.startswith("graded")]
    value = table.set_index(["measure", "source", "target"])["value"]
    assert value["total_effect", "A", "C"] > 0.01
    # C receives nothing but the direct pathway, and A sends nothing elsewhere.
    assert value["direct_share", "A", "C"] == pytest.approx(1)
    assert value["total_effect", "A", "B"] == 0
    assert ("direct_share", "A", "B") not in value.index


def test_spike_counts_are_silenced_at_the_bottom_of_their_range(
    teacher: tuple[xr.Dataset, xr.Dataset],
) -> None:
    recording, truth = teacher
    # The same scaled rates, counted from -1.
    counts = recording.assign(rates=recording["rates"] + recording["scale"]).assign_attrs(silent=-1.0)
    networks = converging(counts, truth, 0.1)
    clamp = {"region": "B", "action": "clamp", "value": 0.0}
    sweep = {"region": "A", "sweep_s": 0.2}
    table = interactions(counts, networks, silence={}, cut={"kind": "pathway"}, hold=clamp, sweep=sweep)
    value = table.set_index(["measure", "perturbation", "target"])["value"]
    assert value["total_effect", "silence:A", "C"] > 0.01
    # From nearly 1 to -1 is twice as far as to 0, where a cut leaves what C receives; the bend of C takes a little.
    assert value["direct_share", "cut:A->C", "C"] == pytest.approx(0.5, abs=0.1)
    assert "hold:B" not in set(table["perturbation"]), "0 is the middle of the range"
    assert set(table.loc[table["measure"] == "critical_window", "source"]) == {"A"}


def test_effects_have_the_size_that_inactivations_csv_expects(teacher: tuple[xr.Dataset, xr.Dataset]) -> None:
    recording, _ = teacher
    networks, _ = fit(recording, Model(family="full_rank", seeds=[0], tau_s=0.1))
    outcome = run_experiments(recording, networks, {"silence": Inactivation()}, settings=QUICK)
    effects = inactivation_table(outcome)
    # The weights of a fit are shrunk, and so are its effects.
    assert (effects["expected_rms"] > effects["effect_rms"]).any()
    table = interaction_table(outcome, effects).query("measure == 'total_effect'")
    keys = ["perturbation", "target", "condition"]
    both = table.merge(effects, on=keys)
    assert len(both) == len(table) > 0
    np.testing.assert_array_equal(both["value"], both["expected_rms"])


def test_synergy_is_positive_where_one_source_compensates_for_the_other(
    teacher: tuple[xr.Dataset, xr.Dataset],
) -> None:
    recording, truth = teacher
    both = {"parts": [{"region": "A"}, {"region": "B"}], "start_s": 0.4}
    for weight, low, high in ((0.02, -0.01, 0.01), (4.0, 1.0, np.inf)):
        table = interactions(recording, converging(recording, truth, weight), both=both)
        [row] = table[table["measure"] == "synergy"].to_dict("records")
        assert row["target"] == "C"
        assert low < row["value"] < high, (
            "effects add in the linear range; a saturated target loses little with a single source"
        )


def test_the_critical_window_is_the_window_in_which_the_source_is_active(
    teacher: tuple[xr.Dataset, xr.Dataset],
) -> None:
    recording, truth = teacher
    region = recording["region"].values
    network = true_network(truth)
    # A falls silent from its start with the time constant of the units and drives C: the first window matters most.
    J = np.where(np.outer(region == "C", region == "A"), 0.1, 0.0)
    network = network._replace(J=J, B=0 * network.B, b=0 * network.b)
    networks = to_dataset([Fit(network)], recording, "made", Model(family="full_rank", seeds=[0]))
    sweep = {"kind": "pathway", "source": "A", "target": "C", "sweep_s": 0.2}
    table = interactions(recording, networks, sweep=sweep)
    [row] = table[table["measure"] == "critical_window"].to_dict("records")
    assert (row["source"], row["target"]) == ("A", "C")
    assert (row["start_s"], row["stop_s"]) == (-0.005, 0.195)
    assert row["value"] > 1.5


def test_a_relay_has_a_higher_transmitter_index_than_its_source(tmp_path: Path) -> None:
    absent = [("A", "B"), ("A", "C"), ("B", "C"), ("C", "A")]
    chain: dict[str, Any] = {"units": 15, "trials": 20, "samples": 150, "substeps": 1, "inputs": "none"}
    recording, truth = recorded(tmp_path, absent=absent, gain=1.2, coupling=1.0, seed=100, **chain)
    index = transmitter_index(recording, known_networks(recording, truth), 0)
    assert index["A"] == 0
    assert index["B"] > 0.4
    assert np.isnan(index["C"]), "C sends nothing"
    verdicts = pd.DataFrame({"source": ["B"], "target": ["C"], "verdict": ["resolved"]})
    index = transmitter_index(recording, known_networks(recording, truth), 0, verdicts)
    assert index["B"] == 0, "only resolved pathways carry messages"


def test_measurement_noise_does_not_lower_the_transmitter_index(tmp_path: Path) -> None:
    absent = [("A", "B"), ("A", "C"), ("B", "C"), ("C", "A")]
    chain: dict[str, Any] = {"units": 12, "trials": 24, "samples": 120, "substeps": 1, "inputs": "none"}
    recording, truth = recorded(tmp_path, absent=absent, gain=1.5, coupling=1.0, process_noise=0.1, seed=100, **chain)
    noisy = recording.copy(deep=True)
    noisy["rates"] += 0.3 * np.random.default_rng(0).standard_normal(noisy["rates"].shape)
    networks, _ = fit(noisy, Model(family="full_rank", estimator="state_space", seeds=[0]), "m")
    verdicts = pd.DataFrame({"source": ["A", "B"], "target": ["B", "C"], "verdict": ["resolved"] * 2})
    true = transmitter_index(recording, known_networks(recording, truth), 0, verdicts)["B"]
    # The index from observed rates is half as large.
    assert transmitter_index(noisy, networks, 0, verdicts)["B"] == pytest.approx(true, abs=0.1)
