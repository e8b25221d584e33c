"""Contrasts: what differs is found, what does not is not, and intervals hold the true difference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import curbd
from curbd import tables, teachers
from curbd.contrasts.clusters import cluster_test
from curbd.contrasts.contrast_table import contrast_tables
from curbd.contrasts.differences import labels_of, pattern_distance
from curbd.contrasts.trials import Comparison, comparisons
from curbd.errors import UserError
from curbd.recording.ingest import ingest_file
from curbd.settings.contrasts import Contrast

ABSENT = [("A", "C"), ("A", "B")]
"""Pathways (target, source) of the teacher that do not exist. The step, whose sign is the condition, drives C, and C
drives B. The activity of A is therefore the same in both conditions."""


@pytest.fixture(scope="module")
def teacher_tables(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Contrasts of a fitted teacher by its condition, and by labels that mean nothing."""
    teacher = teachers.multi_region(
        seed=2, units=12, trials=80, samples=60, dt_s=0.02, absent=ABSENT, gain=0.8, coupling=0.8
    )
    coin = np.random.default_rng(2).permutation(80) % 2
    teacher = teacher._replace(trials=teacher.trials.assign(coin=coin))
    path = tmp_path_factory.mktemp("teacher") / "teacher.h5"
    teachers.write_hdf5(teacher, path)
    recording = ingest_file(path).recording
    networks = curbd.fit(recording, curbd.Model(family="full_rank", seeds=[0])).networks
    contrasts = {
        "side": Contrast(column="side", permutations=199),
        "coin": Contrast(column="coin", permutations=199),
        "matched": Contrast(column="side", permutations=199, matched=["coin"], blocks=2),
        "absent": Contrast(column="nothing"),
    }
    compared = contrast_tables(curbd.decompose(recording, networks), recording, contrasts, networks)
    assert list(compared.left_out) == ["absent"]
    assert tables.problems("contrasts", compared.contrasts) == []
    assert tables.problems("contrast_timecourses", compared.timecourses) == []
    return compared.contrasts[~compared.contrasts["source"].str.startswith("input:")]


@pytest.mark.parametrize("contrast", ["side", "matched"])
def test_currents_that_differ_are_found(teacher_tables: pd.DataFrame, contrast: str) -> None:
    rows = teacher_tables.query("contrast == @contrast and part == 'pattern' and source == 'C' and target != 'A'")
    assert (rows["q_value"] < 0.05).all()
    assert (rows["ci_low"] > 0).all()
    # The step begins in the middle of the trial, at 0.6 s.
    assert (rows["cluster_start_s"] > 0.5).all()
    assert (rows["level_a"] == "left").all()


def test_a_pathway_that_does_not_exist_has_no_difference_although_its_source_has(teacher_tables: pd.DataFrame) -> None:
    rows = teacher_tables.query("contrast == 'side' and target == 'A' and source == 'C' and part != 'trial_to_trial'")
    assert (rows["p_trials"] < 0.05).all()
    assert (rows["p_value"] > 0.05).all()
    assert ((rows["ci_low"] <= 0) & (rows["ci_high"] >= 0)).all()


def test_labels_without_meaning_make_no_difference(teacher_tables: pd.DataFrame) -> None:
    rows = teacher_tables[teacher_tables["contrast"] == "coin"]
    assert (rows["q_value"] > 0.05).all()
    assert ((rows["ci_low"] <= 0) & (rows["ci_high"] >= 0)).mean() > 0.85


def recording_of(columns: dict[str, np.ndarray], n_times: int = 12) -> xr.Dataset:
    """A recording without units, with the trial columns that contrasts read."""
    n_trials = len(next(iter(columns.values())))
    return xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), np.zeros((n_trials, n_times, 1))),
            "inputs": (("trial", "time", "input"), np.zeros((n_trials, n_times, 0))),
        },
        coords={
            **{name: ("trial", values) for name, values in columns.items()},
            "time": np.arange(n_times) * 0.1,
            "input": np.array([], dtype=str),
            "start_s": ("trial", np.arange(n_trials) * 10.0),
        },
        attrs={"recording": "r", "dt_s": 0.1},
    )


def currents_of(values: np.ndarray) -> xr.DataArray:
    """Currents (trial, time, unit) of one pathway, as in currents.nc."""
    return xr.DataArray(
        values[None, None].astype(np.float32),
        dims=("seed", "source", "trial", "time", "unit"),
        coords={"source": ["S"], "region": ("unit", ["T"] * values.shape[2])},
        attrs={"model": "m"},
    )


def p_values(values: np.ndarray, contrast: Contrast, **columns: np.ndarray) -> pd.Series:
    """P-value of every part of the current of one pathway."""
    compared = contrast_tables(currents_of(values), recording_of(columns), {"c": contrast})
    assert compared.left_out == {}
    assert set(compared.contrasts["interval"]) == {"trials"}
    return compared.contrasts.set_index("part")["p_value"]


def autocorrelated(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Noise (trial, time, unit) that is correlated over time."""
    noise = rng.standard_normal(shape)
    for time in range(1, shape[1]):
        noise[:, time] = 0.7 * noise[:, time - 1] + 0.7 * noise[:, time]
    return noise


def test_p_values_are_right_where_nothing_differs_and_variances_are_unequal() -> None:
    rng = np.random.default_rng(0)
    small, contrast = [], Contrast(column="label", permutations=99)
    for _ in range(60):
        label = np.repeat([True, False], [15, 45])
        # Trials end at different times.
        values = autocorrelated(rng, (60, 12, 5)) + 1
        values[np.arange(12) >= rng.integers(8, 13, (60, 1))] = np.nan
        small.append(p_values(values, contrast, label=label) <= 0.05)
    # With 60 recordings, a rate of 5 % gives more than 8 with a probability of 0.3 %.
    assert (np.sum(small, axis=0) <= 8).all()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda values: values + 0.5, {"current", "evoked", "pattern"}),
        (lambda values: values + 0.5 * np.array([1, -1, 1, -1, 0]), {"pattern"}),
        (lambda values: values.mean(0) + 1.7 * (values - values.mean(0)), {"trial_to_trial"}),
    ],
)
def test_every_part_finds_its_own_difference(change, parts: set[str]) -> None:
    rng = np.random.default_rng(1)
    label = np.repeat(["x", "y"], 40)
    values = autocorrelated(rng, (80, 12, 5)) + 1
    values[label == "x", 6:] = change(values[label == "x", 6:])
    found = p_values(values, Contrast(column="label", permutations=199), label=label) <= 0.05
    assert set(found[found].index) == parts


def test_a_latent_that_differs_is_found_and_another_is_not() -> None:
    rng = np.random.default_rng(4)
    label, n_times = np.arange(60) % 2, 12
    recording = recording_of({"label": label}, n_times)
    noise = autocorrelated(rng, (60, n_times, 2))
    noise[label == 1, 6:, 1] += 2
    trial, time, latent = (axis.ravel() for axis in np.indices(noise.shape))
    latents = pd.DataFrame(
        {
            "recording": "r",
            "model": "m",
            "seed": 0,
            "trial": trial,
            "time_s": recording["time"].values[time],
            "latent": latent + 1,
            "value": noise.ravel(),
        }
    )
    currents, contrasts = currents_of(noise[..., :1]), {"c": Contrast(column="label", permutations=199)}
    compared = contrast_tables(currents, recording, contrasts, latents=latents)
    assert tables.problems("contrasts", compared.contrasts) == []
    rows = compared.contrasts.query("part == 'latent'").set_index("target")
    assert rows.loc["latent:1", "q_value"] > 0.05
    assert rows.loc["latent:2", "q_value"] < 0.05
    # The latent is larger from 0.6 s on where the label is 1.
    assert rows.loc["latent:2", "level_a"] == "1"
    assert rows.loc["latent:2", "ci_low"] > 0
    assert rows.loc["latent:2", "cluster_start_s"] == pytest.approx(0.55)


def test_a_drift_is_no_difference_within_blocks() -> None:
    rng = np.random.default_rng(3)
    drift = np.linspace(-1, 1, 80)[:, None, None]
    label = np.linspace(0, 1, 80) > rng.random(80)
    values = autocorrelated(rng, (80, 12, 3)) + 2 * drift
    assert p_values(values, Contrast(column="label"), label=label)["current"] <= 0.05
    assert p_values(values, Contrast(column="label", blocks=8), label=label)["current"] > 0.05


def test_shifted_labels_are_right_for_labels_in_runs() -> None:
    rng = np.random.default_rng(7)
    found = []
    for _ in range(30):
        # Runs of 10 trials, and a current that changes slowly from trial to trial.
        slow = autocorrelated(rng, (1, 80, 1))[0, :, :, None]
        values = autocorrelated(rng, (80, 12, 3)) + 3 * slow
        label = (np.arange(80) + rng.integers(20)) // 10 % 2 == 0
        small = [
            p_values(values, Contrast(column="label", null=null, permutations=99), label=label)["current"] <= 0.05
            for null in ("permuted", "shifted")
        ]
        found.append(small)
    permuted, shifted = np.sum(found, axis=0)
    assert shifted <= 5 < permuted


def test_a_matched_covariate_is_no_difference() -> None:
    rng = np.random.default_rng(4)
    speed = rng.standard_normal(120)
    label = speed + rng.standard_normal(120) > 0
    values = autocorrelated(rng, (120, 12, 3)) + speed[:, None, None]
    assert p_values(values, Contrast(column="label"), label=label, speed=speed)["current"] <= 0.05
    fast = np.where(speed > 0, "fast", "slow")
    values = autocorrelated(rng, (120, 12, 3)) + (speed > 0)[:, None, None]
    assert p_values(values, Contrast(column="label", matched=["fast"]), label=label, fast=fast)["current"] > 0.05


def test_permuted_labels_keep_the_number_of_trials_of_every_stratum() -> None:
    rng = np.random.default_rng(5)
    stratum = rng.integers(0, 3, 40)
    comparison = Comparison("a", "b", np.arange(40), rng.random(40) > 0.6, stratum)
    labels = comparison.permuted(Contrast(column="x", permutations=50))
    assert labels.shape == (51, 40)
    for index in range(3):
        assert (labels[:, stratum == index].sum(1) == comparison.is_a[stratum == index].sum()).all()
    a, b = comparison.weights(labels)
    np.testing.assert_allclose([a.sum(1), b.sum(1)], 1)
    assert len(np.unique(labels, axis=0)) > 45


def test_the_distance_of_patterns_has_no_bias() -> None:
    rng = np.random.default_rng(6)
    comparison = Comparison("a", "b", np.arange(20), np.arange(20) % 3 == 0, np.zeros(20, dtype=int))
    labels = labels_of(comparison, comparison.is_a[None])
    true = np.array([0.6, -0.2, 0.0, 0.4])
    distances = [
        pattern_distance(rng.standard_normal((20, 5, 4)) + comparison.is_a[:, None, None] * true, labels)
        for _ in range(800)
    ]
    # 4000 distances with a standard deviation of about 0.25.
    assert np.mean(distances) == pytest.approx((true**2).mean(), abs=0.02)


def test_clusters_have_their_bins_and_the_p_value_of_their_mass() -> None:
    statistic = np.zeros((4, 10))
    statistic[0, 2:5], statistic[0, 7] = 3.0, -2.5
    statistic[1, 1:9] = -2.2
    statistic[2, 4:6] = 4.0
    p_value, clusters = cluster_test(statistic, 2.0)
    # The masses are 9 and 2.5 in the data, 17.6, 8 and 0 under the null.
    assert p_value == pytest.approx(2 / 4)
    assert [(cluster.first, cluster.last, cluster.p_value) for cluster in clusters] == [(2, 4, 0.5), (7, 7, 0.75)]


def test_levels_have_an_order_and_all_pairs() -> None:
    cue = np.tile(["right", "left", "none"], 10)
    recording = recording_of({"cue": cue, "correct": np.tile([True, False], 15), "size": np.tile([1.0, 2.0], 15)})
    pairs = [(pair.level_a, pair.level_b) for pair in comparisons(recording, "contrasts.c", Contrast(column="cue"))]
    assert pairs == [("left", "none"), ("left", "right"), ("none", "right")]
    for column, levels in (("correct", ("True", "False")), ("size", ("2", "1"))):
        only = comparisons(recording, "contrasts.c", Contrast(column=column))[0]
        assert (only.level_a, only.level_b) == levels
    chosen = comparisons(recording, "contrasts.c", Contrast(column="cue", levels=["right", "left"]))
    assert [(pair.level_a, pair.level_b, len(pair.trials)) for pair in chosen] == [("right", "left", 20)]


@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        ({"column": "sid"}, "did you mean 'side'"),
        ({"column": "side", "levels": ["left", "middle"]}, "found middle, expected values of side: left, right"),
        ({"column": "number"}, "40 different values"),
        ({"column": "rare"}, "found 2 trials with rare=yes, expected at least 5; compare a column whose levels have"),
        ({"column": "three"}, r"found 1 trials with three=c, expected at least 5; .* as in levels: \[a, b\]"),
        ({"column": "side", "matched": ["sde"]}, "did you mean 'side'"),
    ],
)
def test_what_a_recording_cannot_do_is_said(contrast: dict[str, object], words: str) -> None:
    columns = {
        "side": np.tile(["left", "right"], 20),
        "number": np.arange(40.0),
        "rare": np.where(np.arange(40) < 2, "yes", "no"),
        "three": np.array(["a"] * 20 + ["b"] * 19 + ["c"]),
    }
    with pytest.raises(UserError, match=words):
        comparisons(recording_of(columns), "contrasts.c", Contrast.model_validate(contrast))


def test_differences_are_relative_to_the_total_current_whatever_the_current_of_their_source() -> None:
    side = np.array(["left", "right"] * 20)
    flipped = np.where(side == "left", 1.0, -1.0)[:, None, None] * np.ones((1, 12, 3))
    noise = np.random.default_rng(0).standard_normal(flipped.shape)
    faint = 1e-6 * (flipped + noise)
    values = np.stack([flipped, faint, noise])
    currents = xr.DataArray(
        values[None].astype(np.float32),
        dims=("seed", "source", "trial", "time", "unit"),
        coords={"source": ["input:flipped", "faint", "noise"], "region": ("unit", ["T"] * 3)},
        attrs={"model": "m"},
    )
    compared = contrast_tables(currents, recording_of({"side": side}), {"c": Contrast(column="side", permutations=19)})
    rows = compared.contrasts.set_index(["source", "part"])["relative_difference"]
    # The total current has the variance 1 of the flipped sign and the variance 1 of the noise.
    assert rows["input:flipped", "current"] == pytest.approx(2 / np.sqrt(2), rel=0.05)
    assert rows["input:flipped", "pattern"] == pytest.approx(2 / np.sqrt(2), rel=0.05)
    assert abs(rows["faint", "current"]) < 1e-5
    assert abs(rows["faint", "pattern"]) < 1e-5
