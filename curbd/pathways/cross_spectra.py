"""Cross-spectra of the mean activity of regions, trial by trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from curbd.pathways.skewness import MAX_TRIAL_BLOCKS, MIN_TRIALS, standardised

Array = np.ndarray
MAX_SEGMENT_BINS = 128
"""Bins of the segments of which spectra are computed; shorter where trials are shorter."""
MIN_SEGMENT_BINS = 32
"""Fewest bins of a segment."""
SEGMENT_WEIGHT = 0.5
"""Independent values of a frequency that a segment adds, since segments overlap by half."""
ALIASES = (-1, 0, 1)
"""Multiples of the sampling rate: frequencies that differ by them look alike. A slow response leaves little of more."""


class MeasuredSpectra(NamedTuple):
    """Measured cross-spectra, and how much they weigh.

    Attributes
    ----------
    blocks : (block, frequency, region, region) mean cross-spectrum of the segments of every block of trials.
    weight : (block,) number of independent values of a frequency behind the mean of a block.
    omega : (alias, frequency) frequencies that look like the measured ones, in radians per s.
    """

    blocks: torch.Tensor
    weight: torch.Tensor
    omega: torch.Tensor

    def mean(self) -> torch.Tensor:
        """Average the spectra (frequency, region, region) over all segments."""
        return torch.einsum("b,bfij->fij", (self.weight / self.weight.sum()).to(self.blocks.dtype), self.blocks)


def spectra_of(series: Array, bin_s: float) -> MeasuredSpectra | None:
    """Compute the cross-spectra of the activity of regions.

    Parameters
    ----------
    series : (trial, time, region) activity, NaN where missing. Of every trial the longest run of complete bins is used.
    bin_s : width of the bins, s.

    Returns
    -------
    The spectra of blocks of trials; None if there are too few trials of some length.
    """
    stretches = [stretch for trial in series if (stretch := standardised(_longest_stretch(trial))) is not None]
    n_bins = min(MAX_SEGMENT_BINS, int(np.median([len(stretch) for stretch in stretches]))) if stretches else 0
    stretches = [stretch for stretch in stretches if len(stretch) >= n_bins]
    if n_bins < MIN_SEGMENT_BINS or len(stretches) < MIN_TRIALS:
        return None
    shares = np.array_split(np.arange(len(stretches)), min(MAX_TRIAL_BLOCKS, len(stretches)))
    blocks = [_cross_spectra([stretches[trial] for trial in share], n_bins) for share in shares]
    frequency = torch.arange(1, blocks[0].shape[1] + 1) / (n_bins * bin_s)
    return MeasuredSpectra(
        torch.stack([segments.mean(0) for segments in blocks]),
        torch.tensor([SEGMENT_WEIGHT * len(segments) for segments in blocks], dtype=torch.float64),
        2 * torch.pi * (frequency.double() + torch.tensor(ALIASES)[:, None] / bin_s),
    )


def _longest_stretch(trial: Array) -> Array:
    """Longest run of complete bins (bin, region) of a trial (time, region)."""
    complete = np.concatenate([[False], np.isfinite(trial).all(1), [False]])
    edges = np.flatnonzero(np.diff(complete)).reshape(-1, 2)
    start, stop = edges[np.diff(edges).argmax()] if len(edges) else (0, 0)
    return np.asarray(trial[start:stop])


def _cross_spectra(stretches: Sequence[Array], n_bins: int) -> torch.Tensor:
    """Cross-spectra (segment, frequency, region, region) of half-overlapping segments, without the end frequencies."""
    segments = np.stack(
        [
            stretch[start : start + n_bins]
            for stretch in stretches
            for start in range(0, len(stretch) - n_bins + 1, max(n_bins // 2, 1))
        ]
    )
    taper = np.hanning(n_bins + 1)[:-1, None]
    waves = np.fft.rfft((segments - segments.mean(1, keepdims=True)) * taper, axis=1)[:, 1 : (n_bins - 1) // 2 + 1]
    scaled = torch.as_tensor(waves / np.sqrt((taper**2).sum()))
    return scaled[..., :, None] * scaled[..., None, :].conj()
