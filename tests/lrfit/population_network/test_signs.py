"""Signs on what groups of units send: right signs hold and cost nothing, a free fit has them by itself."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.population_signs import SIGN, teacher
from lrfit.population_network.fit import improve, start
from lrfit.population_network.held_out import held_out_nats
from lrfit.population_network.model import regauge
from lrfit.population_network.recording import split
from lrfit.population_network.signs import ROUNDS_PER_PASS, SIGN_PASSES, sent_signs, with_signs, wrong_share
from tests.support.small_population import small_model

ACROSS = ~np.eye(4, dtype=bool)


def test_signs_do_not_depend_on_the_coordinates_of_the_latents() -> None:
    truth, data, _ = teacher(seed=400, trials=2)
    signs = sent_signs(truth, data.region)
    assert (signs[ACROSS] * np.broadcast_to(SIGN, (4, 4))[ACROSS] >= 0).all()
    turned = regauge(truth, np.diag([-2.0, 1.0, 0.5, -1.0]))
    np.testing.assert_array_equal(sent_signs(turned, data.region), signs)
    assert wrong_share(turned, data.region, SIGN) == 0
    assert wrong_share(turned, data.region, -SIGN) == pytest.approx(1)
    assert wrong_share(turned, data.region, 0 * SIGN) == 0


def test_regions_of_several_latents_have_no_sign() -> None:
    with pytest.raises(ValueError, match="one latent for each region"):
        sent_signs(small_model(), np.repeat([0, 1], 5))


def test_right_signs_hold_at_no_cost_and_a_free_fit_contradicts_opposite_signs() -> None:
    _, data, _ = teacher(seed=401, trials=60)
    fitted, held_out = split(data)
    free = improve(start(fitted, [1] * 4, 0.1), fitted, 15)
    right, opposite = (with_signs(free, fitted, sign) for sign in (SIGN, -SIGN))
    for fit, sign in ((right, SIGN), (opposite, -SIGN)):
        assert wrong_share(fit.model, data.region, sign) == 0
    longer = improve(free, fitted, SIGN_PASSES * ROUNDS_PER_PASS)
    nats = [held_out_nats(fit.model, held_out).sum() for fit in (longer, right)]
    assert nats[1] > nats[0] - 2
    assert wrong_share(free.model, data.region, SIGN) < 0.1
    assert wrong_share(free.model, data.region, -SIGN) > 0.9
