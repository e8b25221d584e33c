"""The null of a pathway and the rule of the verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from curbd.beside_limit import beside_limit
from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.grades import believed_currents
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.pathways.power import needed
from curbd.pathways.shuffled_source import pathway_null
from curbd.pathways.verdict import Grounds, judgement
from curbd.regression.time_constant_limits import at_limit

GOOD = Grounds(
    excess_error=0.0,
    q_value=0.01,
    predicted_r2=0.9,
    seed_r=0.95,
    residual_autocorrelation=0.0,
    samples_per_regressor=100.0,
    memory_nats=0.0,
    shared_sd=-4.0,
    memory_share=0.0,
    common_share=-1e-4,
    unique_share=0.01,
    unique_t=10.0,
)
HINTED = {"memory_nats": 500.0, "memory_share": 0.003}


def test_measurement_noise_that_hides_the_source_is_an_objection() -> None:
    assert judgement(GOOD._replace(unseen_share=0.1)).verdict == "resolved"
    judged = judgement(GOOD._replace(unseen_share=0.4))
    assert judged.verdict == "unresolved"
    assert judged.reason == "measurement noise hides 40% of the source's activity"


@pytest.mark.parametrize(
    ("value", "limit", "form", "text"),
    [
        (0.5973, 0.6, ".2f", "0.597"),
        (0.59999, 0.6, ".2f", "0.59999"),
        (0.3, 0.6, ".2f", "0.30"),
        (0.6, 0.6, ".2f", "0.60"),
        (0.0499, 0.05, ".1%", "4.99%"),
        (0.0502, 0.05, ".2g", "0.0502"),
        (float("nan"), 0.05, ".2g", "nan"),
    ],
)
def test_a_number_has_the_digits_that_tell_it_from_its_limit(value: float, limit: float, form: str, text: str) -> None:
    assert beside_limit(value, limit, form) == text


def test_a_reason_tells_the_number_from_its_limit() -> None:
    assert "expected R2 0.499" in judgement(GOOD._replace(predicted_r2=0.499)).reason
    assert "q = 0.0503" in judgement(GOOD._replace(q_value=0.0503)).reason


def test_a_time_constant_at_a_limit_leaves_the_size_of_a_current_open() -> None:
    judged = judgement(GOOD._replace(limited_tau_s=1.72))
    assert (judged.verdict, judged.grade, judged.codes) == ("unresolved", "supported", ("time_constant_limit",))
    assert "the time constant (1.72 s) is at a limit of its search" in judged.reason
    assert [at_limit(tau_s, 0.01) for tau_s in (0.01, 0.02, 0.1, 0.9, 1.0)] == [True, False, False, False, True]


def test_skewness_resolves_an_effect_within_a_bin_and_says_that_its_current_is_unknown() -> None:
    slow = GOOD._replace(limited_tau_s=1.72, bin_s=1.72, q_value=0.4, predicted_r2=0.1, **HINTED)
    shown = slow._replace(skewed_p_value=1e-5, skewed_effect_low=-0.3, skewed_misfit=0.01)
    judged = judgement(shown)
    assert (judged.verdict, judged.resolved_by, judged.codes) == ("resolved", "skewness", ())
    assert "at least 0.30 sd" in judged.reason
    assert "and the current, which is computed from the bin before, cannot" in judged.reason
    for doubtful in (
        slow,
        shown._replace(skewed_effect_low=0.2),
        shown._replace(skewed_p_value=0.01),
        shown._replace(bin_s=0.05),
        shown._replace(shared_sd=30.0, common_share=0.1),
        shown._replace(rms=0.0),
    ):
        judged = judgement(doubtful)
        assert (judged.verdict, judged.resolved_by) == ("unresolved", "")


def test_skewness_that_recorded_regions_do_not_explain_supports_and_does_not_resolve() -> None:
    slow = GOOD._replace(bin_s=1.72, q_value=0.4, skewed_p_value=1e-5, skewed_effect_low=-0.3, skewed_misfit=0.2)
    judged = judgement(slow)
    assert (judged.verdict, judged.grade, judged.resolved_by) == ("unresolved", "supported", "")
    assert judged.codes == ("no_evidence", "shared_skewness")
    assert "leave 20% of the skewness unexplained" in judged.reason


def test_an_effect_beside_an_unrecorded_cause_resolves_what_skewness_supports_if_the_signs_agree() -> None:
    slow = GOOD._replace(bin_s=1.72, q_value=0.4, skewed_p_value=1e-5, skewed_effect_low=-0.3, skewed_misfit=0.2)
    judged = judgement(slow._replace(cumulant_ci_low=-0.8, cumulant_ci_high=-0.3))
    assert (judged.verdict, judged.resolved_by) == ("resolved", "skewness")
    assert "at least 0.30 sd of the same sign beside a cause that was not recorded" in judged.reason
    for low, high in ((0.3, 0.8), (-0.8, -0.2), (-0.8, 0.8)):
        assert judgement(slow._replace(cumulant_ci_low=low, cumulant_ci_high=high)).grade == "supported"
    alone = slow._replace(skewed_p_value=0.5, cumulant_ci_low=-0.8, cumulant_ci_high=-0.3)
    assert judgement(alone).verdict == "unresolved"


def test_no_experiment_relies_on_a_pathway_that_skewness_resolves() -> None:
    table = pd.DataFrame(
        {"verdict": ["resolved", "resolved", "unresolved"], "resolved_by": ["currents", "skewness", ""]}
    )
    assert believed_currents(table).index.tolist() == [0]


SOURCES = [np.arange(3), np.arange(3, 6)]


def linear_world(seed: int, weight: float) -> CurrentRegression:
    """Two regions of three units that share a common signal; the second drives the first by ``weight``."""
    rng = np.random.default_rng(seed)
    trials, bins = 20, 40
    common = rng.standard_normal((trials, bins, 1)).cumsum(1) / 4
    r = common + 0.5 * rng.standard_normal((trials, bins, 6))
    z = np.concatenate([r, np.ones((trials, bins, 1))], axis=2)
    y = np.zeros((trials, bins, 6))
    y[..., :3] = 1.5 * r[..., :3] + weight * r[..., 3:] + rng.standard_normal((trials, bins, 3))
    y[..., 3:] = r[..., 3:] + rng.standard_normal((trials, bins, 3))
    return CurrentRegression(
        z=z,
        y=y,
        region_of_unit=np.array([0, 0, 0, 1, 1, 1]),
        sources=SOURCES,
        penalty=np.full((2, 7), 1.0),
        train=np.arange(trials) < 16,
        condition=np.full(trials, "all"),
    )


def test_a_pathway_that_is_there_beats_every_shuffle() -> None:
    null = pathway_null(linear_world(0, weight=0.5))
    assert null.p_value[0, 1] == pytest.approx(1 / 200)
    # The current of weight .5 on rates of power about 1 is far above what a shuffled source gets.
    assert null.null_rms[0, 1] < 0.3


@pytest.mark.slow
def test_an_absent_pathway_from_a_correlated_source_is_called_as_rarely_as_p_says() -> None:
    p_values = []
    for seed in range(40):
        null = pathway_null(linear_world(seed, weight=0.0), seed=seed)
        p_values += [null.p_value[0, 1], null.p_value[1, 0]]
    # 80 p values: a share of .05 has a standard error of .024, a mean of .5 one of .032.
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * 0.024
    assert np.mean(p_values) == pytest.approx(0.5, abs=3 * 0.032 + 0.05)


def test_the_null_works_with_a_single_trial_in_each_half() -> None:
    short = linear_world(1, weight=0.8)
    long = replace(
        short,
        z=short.z.reshape(2, 400, -1),
        y=short.y.reshape(2, 400, -1),
        train=np.array([True, False]),
        condition=np.full(2, "all"),
    )
    null = pathway_null(long)
    assert null.p_value[0, 1] == pytest.approx(1 / 200)


def test_same_seed_same_null() -> None:
    regression = linear_world(0, weight=0.1)
    first, again = (pathway_null(regression, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.p_value, again.p_value)
    np.testing.assert_array_equal(first.null_rms, again.null_rms)


def test_good_evidence_is_resolved_and_says_why() -> None:
    judged = judgement(GOOD)
    assert judged[:2] == ("resolved", "resolved")
    assert "q = 0.01" in judged.reason
    assert not judged.codes


@pytest.mark.parametrize(
    ("change", "grade", "codes", "sentence"),
    [
        ({"q_value": 0.3}, "no_evidence", "no_evidence", "no more than a shuffled source"),
        ({"q_value": 0.3, "samples_per_regressor": 2.0}, "cannot_tell", "few_bins;no_evidence", "too few"),
        ({"predicted_r2": 0.2}, "cannot_tell", "wide_interval", "interval of the current is wide"),
        ({"seed_r": 0.1}, "cannot_tell", "refits_disagree", "refits to resampled trials disagree"),
        ({"residual_autocorrelation": 0.8}, "cannot_tell", "correlated_residuals", "residuals are correlated in time"),
        ({"samples_per_regressor": 2.0}, "cannot_tell", "few_bins", "too few"),
        (HINTED, "supported", "memory", "the past of the recorded units predicts"),
        ({"shared_sd": 12.0, "common_share": 0.002}, "supported", "shared_fluctuations", "fluctuate together"),
        (HINTED | {"unique_t": 1.0}, "cannot_tell", "memory;explained_by_past", "adds nothing reliable"),
        ({"excess_error": 0.1}, "cannot_tell", "excess_error", "the held-out error is 10% above"),
        ({"rms": 0.0}, "no_evidence", "no_current", "sends no current"),
    ],
)
def test_one_objection_is_enough_and_is_reported(
    change: dict[str, float], grade: str, codes: str, sentence: str
) -> None:
    judged = judgement(GOOD._replace(**change))
    assert judged.verdict == "unresolved"
    assert judged.grade == grade
    assert ";".join(judged.codes) == codes
    assert sentence in judged.reason


def test_evidence_for_something_unrecorded_needs_an_effect_of_some_size() -> None:
    long_recording = GOOD._replace(memory_nats=5000.0, shared_sd=30.0, memory_share=2e-5, common_share=2e-5)
    assert judgement(long_recording).verdict == "resolved"


def test_an_input_that_enters_a_region_itself_cannot_be_driven_by_what_was_not_recorded() -> None:
    of_input = GOOD._replace(**HINTED, immediate_share=0.005)
    assert judgement(of_input).verdict == "resolved"
    assert "size cannot" in judgement(of_input).reason
    assert "size cannot" not in judgement(of_input._replace(memory_nats=0.0)).reason
    by_way_of_others = judgement(of_input._replace(immediate_share=1e-5))
    assert by_way_of_others.grade == "supported"
    assert by_way_of_others.codes == ("memory", "indirect_input")
    assert judgement(of_input._replace(unique_t=1.0)).verdict == "unresolved"


def test_the_number_of_trials_that_would_resolve_a_pathway_follows_from_the_evidence() -> None:
    def need(**change: float) -> str:
        grounds = GOOD._replace(**change)
        return needed(grounds, judgement(grounds), trials=100)

    assert need() == ""
    # An expected R2 of .2 is C^2 / (C^2 + 4 C^2): a quarter of the error variance gives an R2 of .5.
    assert "4.0 times as many trials (400 for training)" in need(predicted_r2=0.2)
    # The worst objection counts: r / (1 - r) must grow from 1 / 4 to 7 / 3.
    assert "9.3 times" in need(predicted_r2=0.2, seed_r=0.2)
    assert "2.5 times" in need(samples_per_regressor=2.0)
    assert "40% of the units" in need(samples_per_regressor=2.0)
    assert "more than 20 times" in need(predicted_r2=0.01)
    # Nothing suggests a pathway: no number of trials would show one.
    assert need(q_value=0.5, unique_t=-1.0) == ""
    assert "record" in need(**HINTED) or "unrecorded" in need(**HINTED)


def test_unknown_evidence_speaks_neither_way() -> None:
    unknown = GOOD._replace(q_value=np.nan, predicted_r2=np.nan, seed_r=np.nan)
    assert judgement(unknown).verdict == "resolved"


def test_q_values_by_hand() -> None:
    q = benjamini_hochberg(np.array([0.01, 0.04, np.nan, 0.03]))
    np.testing.assert_allclose(q, [0.03, 0.04, np.nan, 0.04])
