"""The results in sentences: verdicts in plain words, and warnings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables
from curbd.report import cautions, comparison_sentences, findings, outlook
from curbd.report.reading import RecordingResults
from curbd.storage.netcdf import read_netcdf


def scored(three: RecordingResults, **changed: float) -> RecordingResults:
    """The full-rank fit of the three regions with other test scores."""
    full = three.fits[0]
    fits = full.tables["fits"].copy()
    for column, value in changed.items():
        fits.loc[fits["split"] == "test", column] = value
    return three._replace(fits=[full._replace(tables=full.tables | {"fits": fits})])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"residual_autocorrelation": 0.6}, "correlated in time (0.60"),
        ({"residual_autocorrelation": -0.5}, "correlated in time (−0.50"),
        ({"one_step_r2": -1.0}, "learned is noise"),
        ({"one_step_r2": 0.3, "one_step_own_past_r2": 0.295}, "currents hardly better (R² 0.30) than a network"),
        ({"free_run_r2": np.nan}, "free simulation could not be scored"),
        ({"free_run_r2": -0.5, "baseline_r2": 0.25}, "average trial does (0.25)"),
    ],
)
def test_a_reader_is_warned(three: RecordingResults, changed: dict[str, float], words: str) -> None:
    assert any(words in warning for warning in cautions.warnings(scored(three, **changed)))


def test_a_good_fit_is_not_warned_about(three: RecordingResults) -> None:
    calm = {
        "residual_autocorrelation": 0.0,
        "one_step_r2": 0.9,
        "free_run_r2": 0.5,
        "baseline_r2": 0.1,
    }
    warnings = cautions.warnings(scored(three, **calm))
    assert not [
        warning for warning in warnings if "residual" in warning or "noise" in warning or "free simulation" in warning
    ]


def test_populations_predicted_as_well_by_their_own_region_are_named(three: RecordingResults) -> None:
    full = scored(three).fits[0]
    regions = sorted(set(full.tables["pathways"]["target"]))
    scores = pd.DataFrame({"region": regions, "score": "cosmoothing", "split": "test"}).assign(
        bits_per_spike=0.2, own_region_bits_per_spike=[0.21, *(0.1 for _ in regions[1:])]
    )
    pathways = full.tables["pathways"].assign(verdict="resolved", forward_nats=30.0, forward_error=10.0)
    into_last = (pathways["target"] == regions[-1]) & (pathways["source"] == regions[0])
    pathways.loc[into_last, "forward_nats"] = 15.0
    networks = full.networks.assign_attrs(level="population")
    fit = full._replace(networks=networks, tables=full.tables | {"pathways": pathways, "region_scores": scores})
    warnings = cautions.warnings(scored(three)._replace(fits=[fit]))
    (warning,) = [text for text in warnings if "add nothing to the prediction" in text]
    assert warning.startswith(f"full: unseen units of {regions[0]} are predicted")
    (warning,) = [text for text in warnings if "does not clearly improve" in text]
    assert warning.startswith(f"full: {regions[0]} → {regions[-1]} is resolved, but in held-out trials")


def test_what_other_regions_add_stands_beside_what_a_population_network_predicts() -> None:
    scores = {"bits_per_spike": 0.2, "own_region_bits_per_spike": 0.198}
    assert findings.of_other_regions(scores) == "of which other regions add 0.002 (1 %)"
    scores["own_region_bits_per_spike"] = 0.21
    assert findings.of_other_regions(scores) == "to which other regions add nothing"


def test_a_share_that_repeats_is_never_negative(three: RecordingResults) -> None:
    measured = scored(three, ceiling_r2=-0.01).fits[0]._replace(truth=None)
    assert "(0 % of the variance repeats from trial to trial)" in findings.summarise(measured).fit


def test_currents_of_pathways_that_are_resolved_by_skewness_are_not_to_be_read(three: RecordingResults) -> None:
    recorded = scored(three)
    full = recorded.fits[0]
    pathways = full.tables["pathways"].assign(verdict="resolved", grade="resolved", resolved_by="skewness")
    fit = full._replace(tables=full.tables | {"pathways": pathways})
    steps = outlook.outlook(recorded._replace(fits=[fit]), []).next_steps
    assert not any(step.startswith("Read the currents") for step in steps)
    assert any("6 pathways resolved by skewness" in step for step in steps)


def judged(three: RecordingResults, **columns: object) -> findings.Summary:
    """The full-rank fit of the three regions with other verdicts on its pathways."""
    full = scored(three).fits[0]
    pathways = full.tables["pathways"].assign(**columns)
    resolved = pathways["verdict"] == "resolved"
    grade = np.where(resolved, "resolved", columns.get("grade", "cannot_tell"))
    pathways = pathways.assign(grade=grade, grade_rank=np.argsort(np.argsort(~resolved, kind="stable")) + 1)
    return findings.summarise(full._replace(tables=full.tables | {"pathways": pathways}))


def test_the_verdict_comes_in_plain_words(run: Path, three: RecordingResults) -> None:
    none = judged(three, verdict="unresolved")
    assert none.sentence.startswith("None of the 6 pathways between regions is resolved")
    supported = judged(three, verdict="unresolved", grade="supported")
    assert "There is evidence for 6 pathways" in supported.sentence
    assert {pathway.grade for pathway in supported.pathways} == {"(✓) supported, confounds possible"}
    assert judged(three, verdict="resolved").sentence == "All 6 pathways between regions are resolved."
    source = tables.read("pathways", run / "tables" / "pathways.csv").query("recording == 'three' and model == 'full'")
    from_a = np.where(source["source"] == "A & co", "resolved", "unresolved")
    some = judged(three, verdict=from_a)
    assert some.sentence.startswith("2 of 6 pathways between regions are resolved: A & co → ")
    assert [pathway.verdict for pathway in some.pathways] == ["resolved"] * 2 + ["unresolved"] * 4


def test_a_verdict_that_the_truth_contradicts_is_reported(three: RecordingResults) -> None:
    wrong = judged(three, verdict="resolved", true_r2=-1.0, true_r=0.1)
    assert "of 6 pathways called resolved, 0 have an R² above 0.5" in wrong.truth
    # Three targets of five sources each; the second row is the one pathway between regions that is real.
    true = [np.nan, 0.9] + [np.nan] * 13
    absent = judged(three, verdict="resolved", true_r2=true, true_r=true)
    assert (
        "of 11 pathways without a true current (5 between regions and 6 from inputs to regions)" in absent.truth.lower()
    )
    assert absent.truth.endswith("11 are called resolved.")


def test_clipped_rates_are_counted(run: Path) -> None:
    recording = read_netcdf(run / "three" / "recording.nc")
    assert cautions.clipped_share(recording.assign(rates=recording["rates"] * 0.5)) == 0.0
    first_tenth = xr.DataArray(np.arange(recording.sizes["time"]) < recording.sizes["time"] // 10, dims="time")
    high = xr.where(first_tenth, 2.0, xr.zeros_like(recording["rates"]))
    assert cautions.clipped_share(recording.assign(rates=high)) == pytest.approx(0.1)


def test_few_permutations_are_named_where_pathways_share_the_smallest_p_value() -> None:
    shared = pd.DataFrame({"p_value": [0.01, 0.01, 0.4], "q_value": [0.2, 0.2, 0.4]})
    words = comparison_sentences.limit_of_permutations(shared)
    assert "2 pathways share the smallest p-value (0.01), and their q-value of 0.2" in words
    assert comparison_sentences.limit_of_permutations(shared.assign(q_value=0.04)) == ""
    assert comparison_sentences.limit_of_permutations(shared.assign(p_value=[0.01, 0.02, 0.4])) == ""
