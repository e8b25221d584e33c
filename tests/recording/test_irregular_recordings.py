"""Irregular trials, checked against plain loops: rates, transitions and currents never cross a gap."""

from __future__ import annotations

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from curbd.network.file_content import to_dataset
from curbd.network.fit import Fit
from curbd.network.residual import one_step_residual
from curbd.pathways.currents import decompose
from curbd.recording.ingest import ingest
from curbd.recording.scaling import scaled_rates
from curbd.regression.transitions import TrainingData, transitions
from curbd.settings.models import Model
from tests.support.strategies import IrregularRecording, irregular_recordings, networks

Array = np.ndarray
# The same examples in every run, and no time limit for one example on a busy machine.
same_examples = settings(max_examples=40, derandomize=True, deadline=None, database=None)


def ingested(irregular: IrregularRecording) -> xr.Dataset:
    return ingest(irregular.file, irregular.settings, "rec").recording


def consecutive(r: Array) -> list[tuple[int, int]]:
    """Pairs of bins by a plain loop: (trial, bin) where this bin and the next one hold the rates of all units."""
    pairs = []
    for trial in range(r.shape[0]):
        for time in range(r.shape[1] - 1):
            if all(np.isfinite(r[trial, k, unit]) for k in (time, time + 1) for unit in range(r.shape[2])):
                pairs.append((trial, time))
    return pairs


@same_examples
@given(irregular_recordings())
def test_rates_are_those_of_the_file_where_all_units_were_recorded(irregular: IrregularRecording) -> None:
    recording = ingested(irregular)
    # Means over one sample of a bin reproduce the sample to the last bit, but for the division by 1.
    np.testing.assert_allclose(recording["rates"].values, irregular.rates, rtol=1e-14)
    scaled = scaled_rates(recording)
    assert scaled.dims == ("trial", "time", "unit")
    silent = -1.0 if irregular.settings.scaling == "counts" else 0.0
    for unit, scale in enumerate(recording["scale"].values):
        expected = np.minimum(np.maximum(irregular.rates[:, :, unit] / scale + silent, -0.999), 0.999)
        np.testing.assert_allclose(scaled.values[:, :, unit], expected, rtol=1e-12)
    missing = np.isnan(recording["rates"].values).any(axis=2)
    assert np.isfinite(recording["inputs"].values).all()
    assert not recording["inputs"].values[missing].any()


@same_examples
@given(irregular_recordings(), st.integers(1, 6))
def test_transitions_are_the_pairs_of_a_plain_loop(irregular: IrregularRecording, folds: int) -> None:
    recording = ingested(irregular)
    r, u = scaled_rates(recording).values, recording["inputs"].values
    regions, region = np.unique(recording["region"].values, return_inverse=True)
    data = TrainingData(
        r=r,
        u=u,
        region=region,
        n_regions=len(regions),
        trial=np.arange(len(r)),
        dt_s=recording.attrs["dt_s"],
        substeps=1,
        tau_s=0.1,
    )
    pairs = transitions(data, folds)
    expected = consecutive(r)
    assert list(zip(pairs.trial.tolist(), pairs.time.tolist(), strict=True)) == expected
    for index, (trial, time) in enumerate(expected):
        np.testing.assert_array_equal(pairs.r[index], r[trial, time])
        np.testing.assert_array_equal(pairs.u[index], u[trial, time])
        np.testing.assert_array_equal(pairs.x[index], np.arctanh(r[trial, time]))
        np.testing.assert_array_equal(pairs.x_next[index], np.arctanh(r[trial, time + 1]))
    assert set(pairs.fold) <= set(range(folds))
    if len(r) >= folds:
        assert all(len(set(pairs.fold[pairs.trial == trial])) <= 1 for trial in range(len(r)))


@same_examples
@given(irregular_recordings(), st.data())
def test_currents_of_all_sources_sum_to_the_total_in_every_complete_bin(irregular: IrregularRecording, data) -> None:
    recording = ingested(irregular)
    r, u = scaled_rates(recording).values, recording["inputs"].values
    network = data.draw(networks(r.shape[2], u.shape[2]))
    fits = to_dataset([Fit(network)], recording, "known", Model(family="full_rank", seeds=[0]))
    decomposed = decompose(recording, fits)
    current = decomposed.sel(seed=0).values
    region, inputs = recording["region"].values, recording["input"].values
    for trial in range(r.shape[0]):
        for time in range(r.shape[1]):
            sent = current[:, trial, time]
            if not np.isfinite(r[trial, time]).all():
                assert np.isnan(sent).all()
                continue
            expected = {
                name: network.J[:, region == name] @ r[trial, time, region == name] for name in np.unique(region)
            }
            expected |= {f"input:{name}": network.B[:, k] * u[trial, time, k] for k, name in enumerate(inputs)}
            expected |= {"bias": network.b}
            assert list(decomposed["source"].values) == list(expected)
            # Sums of fewer than ten products of order one.
            np.testing.assert_allclose(sent, np.array(list(expected.values())), atol=1e-12)
            total = network.J @ r[trial, time] + network.B @ u[trial, time] + network.b
            np.testing.assert_allclose(sent.sum(axis=0), total, atol=1e-12)
    error = one_step_residual(network, r, u).error
    assert list(zip(*np.nonzero(np.isfinite(error).all(axis=2)), strict=True)) == consecutive(r)
    assert (np.isfinite(error).all(axis=2) == np.isfinite(error).any(axis=2)).all()
