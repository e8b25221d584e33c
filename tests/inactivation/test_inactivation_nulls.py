"""Random groups of units: size and place, uniform p-values where labels mean nothing, and verdicts on effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from curbd.inactivation.nulls import effect_null
from curbd.inactivation.random_groups import random_groups
from curbd.inactivation.simulation import RunStarts, Simulation
from curbd.inactivation.support import Reached, model_error_factor, reached_regions, verdict
from curbd.network.equation import Network
from curbd.network.perturbation import Cut, Perturbation, no_action
from curbd.network.perturbed_run import NetworkBatch

REGION = np.repeat(["A", "B", "C"], 6)
N_UNITS, N_TRIALS, N_BINS = len(REGION), 4, 6
REGIONS = {name: name == REGION for name in "ABC"}
NO_PROJECTIONS = np.zeros((1, 0, N_UNITS))


def held(units: np.ndarray) -> Perturbation:
    """Units whose rates are held at 0 in all bins."""
    action = no_action(len(units), 0)._replace(held=units)
    return Perturbation(
        name="off",
        kind="region",
        strength=1.0,
        start_s=0.0,
        stop_s=0.3,
        when=np.ones(N_BINS, bool),
        conditions=("all",),
        action=action,
    )


def simulation(J: np.ndarray, rng: np.random.Generator, seed: int = 0) -> Simulation:
    """A network without inputs that runs from random states, with one condition of trials."""
    network = Network(J=J, B=np.zeros((N_UNITS, 0)), b=np.zeros(N_UNITS), tau_s=0.1, dt_s=0.05)
    states = rng.standard_normal((N_TRIALS, 1, N_UNITS)).repeat(N_BINS, axis=1)
    return Simulation(
        fits=NetworkBatch([network], np.zeros((1, N_TRIALS, N_BINS, 0))),
        starts=RunStarts(states, np.ones((1, N_TRIALS, N_BINS))),
        seed=seed,
    )


def test_random_groups_have_as_many_units_inside_and_outside_the_target_as_the_perturbation() -> None:
    target = REGION == "C"
    groups = random_groups(held(REGION == "A").action, target, 40, 0).units
    assert groups.shape == (40, 6)
    assert not np.isin(groups, np.flatnonzero(target)).any()
    assert len({frozenset(group) for group in groups.tolist()}) > 30
    np.testing.assert_array_equal(groups, random_groups(held(REGION == "A").action, target, 40, 0).units)
    # One of the three perturbed units lies in the target.
    partly = held(np.isin(np.arange(N_UNITS), [0, 1, 12]))
    inside = np.isin(random_groups(partly.action, target, 40, 0).units, np.flatnonzero(target))
    assert (inside.sum(1) == 1).all()


def test_no_random_group_exists_where_no_other_units_could_be_drawn() -> None:
    assert not len(random_groups(held(REGION == "A").action, REGION == "A", 9, 0).units)
    assert not len(random_groups(held(REGION != "C").action, REGION == "C", 9, 0).units)
    removed_input = no_action(N_UNITS, 1)._replace(inputs=np.ones(1, bool))
    assert not len(random_groups(removed_input, REGION == "C", 9, 0).units)


def test_p_values_are_uniform_where_labels_mean_nothing() -> None:
    """Networks without regions, given random labels: 60 p-values against a uniform distribution."""
    p_values = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        J = 1.2 * rng.standard_normal((N_UNITS, N_UNITS)) / 4
        region = rng.permutation(REGION)
        regions = {name: region == name for name in "ABC"}
        # One comparison for each region: further ones would share their groups and so depend on each other.
        perturbations = [held(units) for units in regions.values()]
        null = effect_null(simulation(J, rng, seed), perturbations, regions, NO_PROJECTIONS, groups=19)
        p_value = null.p_value[0, :, 0]
        p_values += [p_value[0, 1], p_value[1, 2], p_value[2, 0]]
        assert np.isnan(np.diag(p_value)).all()
    # A p-value of 19 groups has one of 20 steps: spread the p-values evenly over their steps.
    spread = np.array(p_values) - np.random.default_rng(0).random(60) / 20
    assert stats.kstest(spread, "uniform").pvalue > 0.01


def test_silencing_the_only_source_of_a_target_has_a_larger_effect_than_silencing_random_units() -> None:
    rng = np.random.default_rng(0)
    J = 0.3 * rng.standard_normal((N_UNITS, N_UNITS)) / 4
    J[np.ix_(REGION == "C", REGION == "A")] = rng.standard_normal((6, 6))
    perturbations = [held(REGION == "A"), held(REGION == "B")]
    null = effect_null(simulation(J, rng), perturbations, REGIONS, NO_PROJECTIONS, groups=39)
    p_value = null.p_value[0, :, 0, 2]
    assert p_value[0] <= 0.05
    assert p_value[1] > 0.05


def test_a_region_of_one_unit_is_compared_with_every_other_unit_once() -> None:
    rng = np.random.default_rng(0)
    regions = {f"R{unit:02d}": np.arange(N_UNITS) == unit for unit in range(N_UNITS)}
    J = 0.1 * rng.standard_normal((N_UNITS, N_UNITS)) / 4
    J[5:, 0] = 1.0
    null = effect_null(simulation(J, rng), [held(unit) for unit in regions.values()], regions, NO_PROJECTIONS, groups=9)
    p_value = null.p_value[0, :, 0]
    # Seventeen units lie outside of a target: the source and sixteen others.
    np.testing.assert_allclose(p_value[0, 5:], 1 / 17)
    np.testing.assert_allclose(np.sort(p_value[np.arange(N_UNITS) != 9, 9]), np.arange(1, 18) / 17)


def test_an_effect_on_a_readout_is_compared_with_groups_of_all_units() -> None:
    rng = np.random.default_rng(0)
    mean_of_b = (REGION == "B").astype(float)[None, None]
    perturbations = [held(REGION == "A"), held(REGION == "B")]
    unconnected = simulation(np.zeros((N_UNITS, N_UNITS)), rng)
    null = effect_null(unconnected, perturbations, REGIONS, mean_of_b, groups=39)
    p_value = null.p_value[0, :, 0, 3]
    # Without connections, silencing A leaves the readout of B unchanged, and silencing B removes all of it.
    assert p_value[0] == 1
    assert p_value[1] <= 0.05
    assert null.high[0, 0, 0, 3] > 0


def test_a_cut_pathway_has_a_null_for_its_own_target_only() -> None:
    rng = np.random.default_rng(0)
    J = rng.standard_normal((N_UNITS, N_UNITS)) / 4
    action = no_action(N_UNITS, 0)._replace(cuts=(Cut(REGION == "B", REGION == "A", 0),))
    cut = held(REGION == "A")._replace(kind="pathway", action=action, pathway=("A", "B"))
    p_value = effect_null(simulation(J, rng), [cut], REGIONS, NO_PROJECTIONS, groups=9).p_value[0, 0, 0]
    assert 0.1 <= p_value[1] <= 1
    assert np.isnan(p_value[[0, 2]]).all()


@pytest.fixture
def relay() -> Reached:
    """Targets of pathways: A -> B and B -> C exist, A -> C does not, and C -> B exists by its skewness alone."""
    rows = [
        ("B", "A", "resolved", ""),
        ("C", "B", "supported", "memory"),
        ("C", "A", "cannot_tell", "memory;no_evidence"),
        ("B", "input:light", "resolved", ""),
        ("B", "C", "supported", "shared_skewness"),
    ]
    table = pd.DataFrame(rows, columns=["target", "source", "grade", "reason_codes"])
    verdicts = table["grade"].where(table["grade"] == "resolved", "unresolved")
    return reached_regions(table.assign(share=0.5, verdict=verdicts))


def judged(perturbation: Perturbation, target: str, reached: Reached, predicted_r2: float = 0.9) -> tuple[str, str]:
    """Verdict and reason, with the labels of the units of this module and one input."""
    return verdict(perturbation, target, predicted_r2, reached, REGION, np.array(["light"]))


def test_an_effect_is_supported_where_a_chain_of_pathways_leads_to_the_target(relay) -> None:
    assert judged(held(REGION == "A"), "C", relay) == (
        "supported",
        "pathways lead to the target: A -> B -> C (expected R2 of the effect 0.90)",
    )
    assert judged(held(REGION == "C"), "A", relay)[0] == "unsupported"
    assert judged(held(REGION == "A"), "A", relay) == ("", "the target itself is perturbed")
    both = held(np.isin(REGION, ["A", "B"]))
    assert ": B -> C (" in judged(both, "C", relay)[1], "B is silent and relays nothing"
    assert judged(held(REGION == "A"), "C", relay, 0.2) == (
        "unsupported",
        "the error of the effect is large (expected R2 0.20, and 0.6 is needed)",
    )
    assert judged(held(REGION == "A"), "C", relay, np.nan)[0] == "unsupported"


def test_an_effect_errs_by_more_than_its_posterior_says_where_something_is_missing() -> None:
    codes = pd.DataFrame({"reason_codes": [None, "no_evidence;wide_interval"]})
    assert model_error_factor(codes) == model_error_factor(None) == 1
    assert model_error_factor(pd.DataFrame({"reason_codes": ["", "no_evidence;memory"]})) > 1


def test_an_effect_of_a_cut_pathway_is_supported_only_if_the_pathway_is_resolved(relay) -> None:
    cut = Cut(REGION == "C", REGION == "A", 0)
    perturbation = held(np.zeros(N_UNITS, bool))
    direct = perturbation._replace(action=perturbation.action._replace(cuts=(cut,)))
    assert judged(direct, "C", relay) == (
        "unsupported",
        "no chain of resolved or supported pathways leads from A->C to C",
    )
    first_step = cut._replace(targets=REGION == "B")
    relayed = perturbation._replace(action=perturbation.action._replace(cuts=(first_step,)))
    assert ": A -> B -> C (" in judged(relayed, "C", relay)[1]
    doubtful = cut._replace(sources=REGION == "B")
    confounded = perturbation._replace(action=perturbation.action._replace(cuts=(doubtful,)))
    assert judged(confounded, "C", relay)[0] == "unsupported"
    light = perturbation._replace(action=no_action(N_UNITS, 1)._replace(inputs=np.ones(1, bool)))
    assert ": input:light -> B -> C (" in judged(light, "C", relay)[1]
