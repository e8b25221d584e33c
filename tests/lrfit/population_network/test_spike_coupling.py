"""Fast coupling of recorded spikes: found in its direction, absent under a shared background, refused in long bins."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.teachers.spiking_areas import spiking_areas
from lrfit.population_network.recording import from_arrays
from lrfit.population_network.spike_coupling import MAX_COUPLING_BIN_S, spike_coupling
from lrfit.population_network.verdict import MIN_SPIKE_COUPLING

Array = np.ndarray


def coupling(*, synapse_mv: float, seed: int) -> Array:
    """Coupling between small areas, in bins of 4 ms."""
    areas = spiking_areas(synapse_mv=synapse_mv, units=25, trials=150, bins=100, bin_s=0.004, seed=seed)
    return spike_coupling(from_arrays(areas.activity, areas.region, areas.bin_s))


@pytest.mark.parametrize("seed", [200, 201])
def test_synapses_are_found_in_their_direction_only(seed: int) -> None:
    above = coupling(synapse_mv=2.0, seed=seed)
    assert above[1, 0] > MIN_SPIKE_COUPLING > above[0, 1]
    assert np.isnan(np.diag(above)).all()


@pytest.mark.parametrize("seed", [200, 201])
def test_a_shared_background_is_no_coupling(seed: int) -> None:
    above = coupling(synapse_mv=0.0, seed=seed)
    assert np.nanmax(above) < MIN_SPIKE_COUPLING


def test_long_bins_tell_nothing_about_synapses(rng: np.random.Generator) -> None:
    data = from_arrays(rng.poisson(1.0, (40, 20, 6)).astype(float), np.repeat([0, 1], 3), 2 * MAX_COUPLING_BIN_S)
    assert np.isnan(spike_coupling(data)).all()
