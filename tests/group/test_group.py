"""Groups: sessions nested in animals are combined with intervals that hold the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from curbd import tables
from curbd.group.group_table import group_table
from curbd.group.random_effects import combine, stouffer
from curbd.storage.netcdf import write_netcdf
from curbd.tables.collect import session_names


@pytest.mark.parametrize("with_errors", [True, False])
@pytest.mark.parametrize("between", [0.0, 0.5])
def test_intervals_over_animals_hold_the_truth(between: float, with_errors: bool) -> None:
    rng = np.random.default_rng(0)
    subject = np.repeat(["a", "b", "c", "d", "e"], [1, 2, 3, 3, 4])
    held, n = 0, 400
    for _ in range(n):
        of_subject = dict(zip("abcde", between * rng.standard_normal(5), strict=True))
        error = rng.uniform(0.1, 0.3, len(subject))
        estimate = 1 + np.array([of_subject[name] for name in subject]) + 0.2 * rng.standard_normal(len(subject))
        estimate += error * rng.standard_normal(len(subject))
        combined = combine(estimate, error if with_errors else np.full(len(subject), np.nan), subject)
        assert combined.interval_over == "subjects"
        held += combined.ci_low <= 1 <= combined.ci_high
    # 95 % with a standard deviation of 1.1 %; the interval is conservative without a variance between animals.
    assert 0.92 <= held / n <= 1.0


def test_sessions_of_one_animal_are_no_group_of_animals() -> None:
    estimate = np.array([1.0, 2.0, 3.0])
    combined = combine(estimate, np.full(3, np.nan), np.array(["a", "a", "a"]))
    # Without errors, this is the t interval of the mean.
    low, high = stats.t.interval(0.95, 2, 2.0, estimate.std(ddof=1) / np.sqrt(3))
    assert (combined.ci_low, combined.ci_high) == pytest.approx((low, high))
    assert combined.interval_over == "sessions"
    alone = combine(estimate[:1], np.array([0.5]), np.array(["a"]))
    assert (alone.estimate, alone.interval_over) == (1.0, "trials")
    assert alone.ci_high == pytest.approx(1 + 1.959964 * 0.5)
    assert np.isnan(combine(estimate[:1], np.array([np.nan]), np.array(["a"])).ci_low)


def test_many_sessions_of_one_animal_do_not_count_as_many_animals() -> None:
    rng = np.random.default_rng(1)
    subject = np.repeat(["a", "b", "c"], 30)
    estimate = np.repeat([0.0, 1.0, 2.0], 30) + 0.1 * rng.standard_normal(90)
    combined = combine(estimate, np.full(90, 0.1), subject)
    low, high = stats.t.interval(0.95, 2, 1.0, 1 / np.sqrt(3))
    assert (combined.ci_low, combined.ci_high) == pytest.approx((low, high), abs=0.15)


def test_combined_p_values_are_uniform_and_know_directions() -> None:
    rng = np.random.default_rng(2)
    combined = [stouffer(rng.random(4)) for _ in range(2000)]
    assert stats.kstest(combined, "uniform").pvalue > 0.001
    signed = [stouffer(rng.random(4), rng.choice([-1, 1], 4)) for _ in range(2000)]
    assert stats.kstest(signed, "uniform").pvalue > 0.001
    assert stouffer(np.array([0.01, 0.01]), np.array([1, -1])) == pytest.approx(1)
    assert stouffer(np.array([0.01, 0.01]), np.array([1, 1])) < 0.001
    assert np.isnan(stouffer(np.array([np.nan])))


def collected() -> dict[str, pd.DataFrame]:
    """Tables of three sessions of two animals; region C is in one session only."""
    sessions = {"r1": ("x", "AB"), "r2": ("x", "AB"), "r3": ("y", "ABC")}
    pathways, regions = [], []
    for index, (recording, (subject, names)) in enumerate(sessions.items()):
        for target in names:
            regions.append({"recording": recording, "region": target, "n_samples": 100, "subject": subject})
            for source in names:
                share = {"AB": 0.3, "BA": 0.1}.get(source + target, 0.2) + 0.01 * index
                row = {"recording": recording, "model": "m", "target": target, "source": source, "share": share}
                verdict = "resolved" if source == "A" else "unresolved"
                grade = "resolved" if source == "A" else "supported" if source == "B" else "no_evidence"
                row |= {"p_value": 0.01, "evidence_nats": np.nan, "verdict": verdict, "grade": grade}
                pathways.append(row)
    empty = {name: tables.empty(name) for name in ("nulls", "contrasts", "inactivations")}
    return {
        "pathways": pd.DataFrame(pathways),
        "regions": pd.DataFrame(regions).assign(session=lambda rows: rows["recording"]),
        **empty,
    }


def test_pathways_are_combined_over_the_sessions_that_have_them() -> None:
    group = group_table(collected())
    assert tables.problems("group", group) == []
    rows = group.set_index(["quantity", "target", "source"])
    assert rows.loc[("share", "B", "A"), ["n_sessions", "n_subjects", "n_resolved"]].tolist() == [3, 2, 3]
    assert rows.loc[("share", "C", "A"), ["n_sessions", "n_subjects", "n_resolved"]].tolist() == [1, 1, 1]
    assert rows.loc[("share", "A", "B"), ["n_resolved", "n_supported"]].tolist() == [0, 3]
    assert rows.loc[("share", "A", "C"), "n_supported"] == 0
    assert rows.loc[("share", "B", "A"), "p_value"] < 0.001
    asymmetry = rows.loc[("asymmetry_share", "B", "A")]
    assert asymmetry["estimate"] == pytest.approx(0.2)
    assert asymmetry["n_resolved"] == 0
    assert ("asymmetry_share", "A", "B") not in rows.index


def test_a_single_session_has_an_interval_of_the_asymmetry_where_shares_have_one() -> None:
    together = collected()
    shares = together["pathways"]["share"]
    together["pathways"] = together["pathways"].assign(share_low=shares - 0.03, share_high=shares + 0.03)
    alone = {name: rows[rows["recording"] == "r1"] for name, rows in together.items()}
    row = group_table(alone).set_index(["quantity", "target", "source"]).loc[("asymmetry_share", "B", "A")]
    assert row["interval_over"] == "trials"
    assert [row["ci_low"], row["ci_high"]] == pytest.approx([0.2 - 0.03 * np.sqrt(2), 0.2 + 0.03 * np.sqrt(2)])
    # Over several sessions, each counts alike: an error grows with the share.
    without = group_table(collected())
    columns = ["estimate", "ci_low", "ci_high", "p_value"]
    pd.testing.assert_frame_equal(
        group_table(together).query("n_sessions > 1")[columns], without.query("n_sessions > 1")[columns]
    )


def test_names_of_animals_that_differ_in_case_are_one_animal(tmp_path: Path) -> None:
    names = {"r1": {"subject": "charlie"}, "r2": {"subject": "Charlie"}, "r3": {"subject": "charlie"}, "r4": {}}
    for recording, attrs in names.items():
        write_netcdf({"/": xr.Dataset(attrs=attrs)}, tmp_path / recording / "recording.nc")
    read = session_names(tmp_path, list(names))
    assert read["subject"].tolist() == ["charlie", "charlie", "charlie", "r4"]
    assert read["session"].tolist() == ["r1", "r2", "r3", "r4"]
