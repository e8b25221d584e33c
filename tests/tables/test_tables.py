"""The result tables: all mistakes are reported, and what is written is read back unchanged."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curbd import tables


def units(**columns: object) -> pd.DataFrame:
    """Three units, one of them dropped."""
    facts = {
        "recording": ["r", "r", "r"],
        "unit_id": ["001", "002", "003"],
        "region": ["NA", "007", ""],
        "region_raw": ["NA", "007", ""],
        "region_source": ["units.location", "units.location", ""],
        "cell_type": ["unknown"] * 3,
        "cell_type_source": [""] * 3,
        "kept": [True, True, False],
        "reason": ["", "", "no region label"],
        "mean_rate_hz": [1.25, 3.5, np.nan],
        "scale": [10.0, 20.0, np.nan],
    }
    return pd.DataFrame(facts | columns)


def pathways(**columns: object) -> pd.DataFrame:
    """One pathway, nothing but its verdict known."""
    facts = {
        "recording": ["r"],
        "model": ["m"],
        "target": ["A"],
        "source": ["B"],
        "level": ["unit"],
        "rms": [0.5],
        "share": [0.25],
        "predicted_r2": [np.nan],
        "seed_r": [np.nan],
        "J_seed_r": [np.nan],
        "inactivation_seed_r": [np.nan],
        "skewed_effect": [np.nan],
        "skewed_p_value": [np.nan],
        "skewed_effect_low": [np.nan],
        "skewed_misfit": [np.nan],
        "cumulant_effect": [np.nan],
        "cumulant_ci_low": [np.nan],
        "cumulant_ci_high": [np.nan],
        "response_effect": [np.nan],
        "response_ci_low": [np.nan],
        "response_ci_high": [np.nan],
        "response": [""],
        "response_s": [np.nan],
        "null_rms": [np.nan],
        "p_value": [np.nan],
        "q_value": [np.nan],
        "memory_nats": [0.0],
        "shared_sd": [-1.2],
        "memory_share": [0.0],
        "common_share": [0.0],
        "unique_share": [0.01],
        "unique_t": [1.5],
        "immediate_share": [np.nan],
        "evidence_nats": [np.nan],
        "verdict": ["unresolved"],
        "resolved_by": [""],
        "reason": ["no null"],
        "grade": ["cannot_tell"],
        "grade_rank": [1],
        "reason_codes": ["few_bins"],
        "needed": [""],
        "rank": [np.nan],
        "rank_low": [np.nan],
        "rank_high": [np.nan],
    }
    return pd.DataFrame(facts | columns)


def test_a_valid_table_has_no_problems() -> None:
    assert tables.problems("units", units()) == []
    assert tables.problems("pathways", pathways()) == []


def test_all_problems_are_reported_at_once() -> None:
    wrong = pathways(
        share=[1.5], p_value=[np.inf], verdict=["perhaps"], rank=[1.5], rms=["big"], reason=[""], colour=["red"]
    ).drop(columns=["model", "seed_r"])
    assert sorted(tables.problems("pathways", wrong)) == [
        "columns missing: model, seed_r",
        "columns unknown: colour",
        "p_value: infinite numbers",
        "p_value: numbers outside [0, 1]",
        "rank: numbers that are not whole",
        "reason: 1 empty cells",
        "rms: object where numbers are expected"
        if wrong["rms"].dtype == object
        else "rms: str where numbers are expected",
        "share: numbers outside [0, 1]",
        "verdict: values other than resolved, unresolved",
    ]


def test_flags_and_keys_are_checked() -> None:
    wrong = units(kept=["yes", "no", "no"], unit_id=["1", "1", "2"])
    assert tables.problems("units", wrong) == [
        "kept: values other than true and false",
        "rows with the same recording, unit_id",
    ]


def test_rounding_past_a_bound_is_no_problem() -> None:
    assert tables.problems("pathways", pathways(share=[1 + 1e-12])) == []


def test_an_invalid_table_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "pathways.csv"
    tables.write("pathways", pathways(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"pathways\.csv: verdict: values other than resolved, unresolved"):
        tables.write("pathways", pathways(verdict=["maybe"]), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["pathways.csv"]


def test_labels_stay_text_and_numbers_stay_exact(tmp_path: Path) -> None:
    rate = [1 / 3, np.pi, np.nan]
    tables.write("units", units(mean_rate_hz=rate), tmp_path / "units.csv")
    back = tables.read("units", tmp_path / "units.csv")
    assert back["unit_id"].tolist() == ["001", "002", "003"]
    assert back["region"].tolist() == ["NA", "007", ""]
    assert back["kept"].tolist() == [True, True, False]
    np.testing.assert_array_equal(back["mean_rate_hz"], rate)
    assert tables.problems("units", back) == []


def test_columns_and_rows_come_in_the_order_of_the_schema(tmp_path: Path) -> None:
    shuffled = units(**{"one_step_r2:m": [0.5, 0.25, np.nan]}).iloc[::-1]
    shuffled = shuffled[sorted(shuffled.columns, reverse=True)]
    tables.write("units", shuffled, tmp_path / "a.csv")
    tables.write("units", units(**{"one_step_r2:m": [0.5, 0.25, np.nan]}), tmp_path / "b.csv")
    header = (tmp_path / "a.csv").read_text().splitlines()[0].split(",")
    assert header == [*tables.TABLES["units"].names, "one_step_r2:m"]
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_truth_columns_are_optional_and_collected_where_they_are(tmp_path: Path) -> None:
    tables.write("pathways", pathways(), tmp_path / "one.csv")
    with_truth = pathways(recording=["teacher"], true_r=[0.9], true_ratio=[1.1], true_r2=[0.8])
    tables.write("pathways", with_truth, tmp_path / "two.csv")
    both = tables.concatenate("pathways", [tmp_path / "one.csv", tmp_path / "two.csv"])
    assert tables.problems("pathways", both) == []
    assert both["true_r"].isna().tolist() == [True, False]
    alone = tables.concatenate("pathways", [tmp_path / "one.csv"])
    assert "true_r" not in alone


def test_a_rank_may_be_empty_and_stays_whole(tmp_path: Path) -> None:
    mixed = pd.concat([pathways(rank=[2]), pathways(source=["C"])], ignore_index=True)
    tables.write("pathways", mixed, tmp_path / "p.csv")
    assert "2.0" not in (tmp_path / "p.csv").read_text()
    back = tables.read("pathways", tmp_path / "p.csv")
    assert back["rank"].isna().tolist() == [False, True]
    assert back["rank"].iloc[0] == 2


def test_collecting_nothing_gives_a_table_that_can_be_written(tmp_path: Path) -> None:
    empty = tables.concatenate("latents", [])
    tables.write("latents", empty, tmp_path / "latents.parquet")
    assert len(tables.read("latents", tmp_path / "latents.parquet")) == 0


def test_parquet_keeps_types_and_is_the_same_twice(tmp_path: Path) -> None:
    latents = pd.DataFrame(
        {
            "recording": "r",
            "model": "m",
            "seed": 0,
            "condition": ["left", "left", "007"],
            "trial": [0, 0, 1],
            "time_s": [0.1, 0.0, 0.0],
            "latent": 1,
            "value": [0.5, np.nan, -0.5],
            "position": [0.4, np.nan, -0.4],
        }
    )
    digests = []
    for name in ("one", "two"):
        tables.write("latents", latents, tmp_path / f"{name}.parquet")
        digests.append(hashlib.sha256((tmp_path / f"{name}.parquet").read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    back = tables.read("latents", tmp_path / "one.parquet")
    assert back["condition"].tolist() == ["007", "left", "left"]
    assert back["time_s"].tolist() == [0.0, 0.0, 0.1]
    assert back["trial"].dtype == np.int64
