"""Random groups: their size and place, p values that are uniform where labels mean nothing, and who may be called."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from curbd.inactivation.effects import Trials
from curbd.inactivation.nulls import null, random_groups
from curbd.inactivation.support import resolved, verdict
from curbd.network.equation import Network
from curbd.network.perturbation import Cut, Perturbation, nothing
from curbd.network.perturbed_run import Networks

REGION = np.repeat(["A", "B", "C"], 6)
NO_PROJECTIONS = np.zeros((1, 0, 18))


def held(units: np.ndarray) -> Perturbation:
    action = nothing(len(units), 0)._replace(held=units)
    return Perturbation(
        name="off",
        kind="region",
        strength=1.0,
        start_s=0.0,
        stop_s=0.3,
        when=np.ones(6, bool),
        conditions=("all",),
        action=action,
    )


def test_groups_are_as_large_and_outside_the_target() -> None:
    target = REGION == "C"
    groups = random_groups(held(REGION == "A").action, target, 40, 0)
    assert groups.shape == (40, 6)
    assert not np.isin(groups, np.flatnonzero(target)).any()
    assert len({frozenset(group) for group in groups.tolist()}) > 30
    np.testing.assert_array_equal(groups, random_groups(held(REGION == "A").action, target, 40, 0))
    # A group that reaches into the target keeps as many units there.
    partly = held(np.isin(np.arange(18), [0, 1, 12]))
    inside = np.isin(random_groups(partly.action, target, 40, 0), np.flatnonzero(target))
    assert (inside.sum(1) == 1).all()


def test_there_is_no_group_where_nothing_else_could_be_drawn() -> None:
    assert not len(random_groups(held(REGION == "A").action, REGION == "A", 9, 0))
    assert not len(random_groups(held(REGION != "C").action, REGION == "C", 9, 0))
    assert not len(random_groups(nothing(18, 1)._replace(inputs=np.ones(1, bool)), REGION == "C", 9, 0))


def test_p_values_are_uniform_where_labels_mean_nothing() -> None:
    """Networks without regions, given random labels: 60 p values against a uniform distribution."""
    names = ["A", "B", "C"]
    p_values = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        network = Network(
            J=1.2 * rng.standard_normal((18, 18)) / 4, B=np.zeros((18, 0)), b=np.zeros(18), tau_s=0.1, dt_s=0.05
        )
        region = rng.permutation(REGION)
        regions = np.stack([region == name for name in names])
        trials = Trials(rng.standard_normal((4, 1, 18)).repeat(6, axis=1), np.ones((1, 4, 6)))
        networks = Networks([network], np.zeros((1, 4, 6, 0)))
        # One comparison a region: others would share their groups and so depend on each other.
        plan = [held(region == name) for name in names]
        found = null(networks, plan, regions, names, NO_PROJECTIONS, trials, groups=19, seed=seed).p_value[0, :, 0]
        p_values += [found[0, 1], found[1, 2], found[2, 0]]
        assert np.isnan(np.diag(found)).all()
    # A p value of 19 groups is one of 20 steps: spread evenly over its step.
    spread = np.array(p_values) - np.random.default_rng(0).random(60) / 20
    assert stats.kstest(spread, "uniform").pvalue > 0.01


def test_a_region_that_alone_drives_the_target_stands_out() -> None:
    rng = np.random.default_rng(0)
    J = 0.3 * rng.standard_normal((18, 18)) / 4
    J[np.ix_(REGION == "C", REGION == "A")] = rng.standard_normal((6, 6))
    networks = Networks(
        [Network(J=J, B=np.zeros((18, 0)), b=np.zeros(18), tau_s=0.1, dt_s=0.05)], np.zeros((1, 4, 6, 0))
    )
    regions = np.stack([name == REGION for name in "ABC"])
    trials = Trials(rng.standard_normal((4, 1, 18)).repeat(6, axis=1), np.ones((1, 4, 6)))
    off = [held(REGION == "A"), held(REGION == "B")]
    p_value = null(networks, off, regions, ["A", "B", "C"], NO_PROJECTIONS, trials, groups=39).p_value[0, :, 0, 2]
    assert p_value[0] <= 0.05
    assert p_value[1] > 0.05


def test_a_readout_is_compared_with_groups_of_all_units() -> None:
    rng = np.random.default_rng(0)
    networks = Networks(
        [Network(J=np.zeros((18, 18)), B=np.zeros((18, 0)), b=np.zeros(18), tau_s=0.1, dt_s=0.05)],
        np.zeros((1, 4, 6, 0)),
    )
    regions = np.stack([name == REGION for name in "ABC"])
    trials = Trials(rng.standard_normal((4, 1, 18)).repeat(6, axis=1), np.ones((1, 4, 6)))
    of_b = (REGION == "B").astype(float)[None, None]
    off = [held(REGION == "A"), held(REGION == "B")]
    found = null(networks, off, regions, ["A", "B", "C"], of_b, trials, groups=39)
    p_value = found.p_value[0, :, 0, 3]
    # Units that do not talk to one another: silencing A leaves what B says as it is, silencing B takes all of it.
    assert p_value[0] == 1
    assert p_value[1] <= 0.05
    assert found.high[0, 0, 0, 3] > 0


def test_a_cut_pathway_has_a_null_for_its_own_target() -> None:
    rng = np.random.default_rng(0)
    networks = Networks(
        [Network(J=rng.standard_normal((18, 18)) / 4, B=np.zeros((18, 0)), b=np.zeros(18), tau_s=0.1, dt_s=0.05)],
        np.zeros((1, 4, 6, 0)),
    )
    action = nothing(18, 0)._replace(cuts=(Cut(REGION == "B", REGION == "A", 0),))
    one = held(REGION == "A")._replace(kind="pathway", action=action, pathway=("A", "B"))
    regions = np.stack([name == REGION for name in "ABC"])
    trials = Trials(rng.standard_normal((4, 1, 18)).repeat(6, axis=1), np.ones((1, 4, 6)))
    p_value = null(networks, [one], regions, ["A", "B", "C"], NO_PROJECTIONS, trials, groups=9).p_value[0, 0, 0]
    assert 0.1 <= p_value[1] <= 1
    assert np.isnan(p_value[[0, 2]]).all()


@pytest.fixture
def relay() -> dict[str, list[str]]:
    """A -> B -> C resolved, A -> C not."""
    rows = [("B", "A", "resolved"), ("C", "B", "resolved"), ("C", "A", "unresolved"), ("B", "input:light", "resolved")]
    table = pd.DataFrame(rows, columns=["target", "source", "verdict"])
    return resolved(table.assign(share=0.5))


def judged(one: Perturbation, target: str, relay: dict[str, list[str]], predicted_r2: float = 0.9) -> tuple[str, str]:
    return verdict(one, target, predicted_r2, relay, REGION, np.array(["light"]))


def test_an_effect_is_called_where_a_chain_of_resolved_pathways_leads(relay) -> None:
    assert judged(held(REGION == "A"), "C", relay) == ("supported", "resolved: A -> B -> C, expected R2 0.90")
    assert judged(held(REGION == "C"), "A", relay)[0] == "unsupported"
    assert judged(held(REGION == "A"), "A", relay)[0] == ""
    both = held(np.isin(REGION, ["A", "B"]))
    assert judged(both, "C", relay)[1].startswith("resolved: B -> C"), "B is silent and relays nothing"
    assert judged(held(REGION == "A"), "C", relay, 0.2) == ("unsupported", "wide interval (expected R2 0.20)")


def test_a_cut_pathway_must_itself_be_resolved(relay) -> None:
    cut = Cut(REGION == "C", REGION == "A", 0)
    one = held(np.zeros(18, bool))
    one = one._replace(action=one.action._replace(cuts=(cut,)))
    assert judged(one, "C", relay) == ("unsupported", "no chain of resolved pathways leads from A->C to C")
    relayed = one._replace(action=one.action._replace(cuts=(cut._replace(targets=REGION == "B"),)))
    assert judged(relayed, "C", relay)[1] == "resolved: A -> B -> C, expected R2 0.90"
    light = one._replace(action=nothing(18, 1)._replace(inputs=np.ones(1, bool)))
    assert judged(light, "C", relay)[1].startswith("resolved: input:light -> B -> C")
