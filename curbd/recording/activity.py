"""Activity in the bins of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from curbd.recording.trials import Trials


@dataclass(frozen=True)
class Activity:
    """Activity in the bins of trials.

    Attributes
    ----------
    trials : the trials and their bins.
    rates : (trial, time, unit) smoothed rates, NaN where missing.
    unit : physical unit of the rates.
    mean_rate_hz : (trial, unit) mean rates before smoothing, in Hz; NaN if the activity is not spikes, or if a unit was
        not observed in a trial.
    smoothing_s : standard deviation of the Gaussian, in seconds.
    inputs : (trial, time, input) inputs that the file declares, NaN where missing.
    input_names : (input,) names of these inputs.
    drive : (trial, time, all units of the file) external current of a teacher, in the (dimensionless) units of the
        state x in tau dx/dt = -x + J r + B u + b + drive; None if the file holds none.
    true_currents : (trial, time, source, all units of the file) currents of a teacher of populations; None if the file
        holds none, or if the activity is one continuous stretch.
    """

    trials: Trials
    rates: np.ndarray
    unit: str
    mean_rate_hz: np.ndarray
    smoothing_s: float
    inputs: np.ndarray
    input_names: tuple[str, ...]
    drive: np.ndarray | None = None
    true_currents: np.ndarray | None = None

    @property
    def observed(self) -> np.ndarray:
        """Return (trial, time) bool, True for bins in which all units have a rate."""
        return np.isfinite(self.rates).all(axis=2)

    @property
    def recorded_trials(self) -> np.ndarray:
        """Return (trial,) bool, True for trials in which any unit was recorded in any bin."""
        return np.isfinite(self.rates).any(axis=(1, 2))

    def without_empty_trials(self) -> Activity:
        """Return only the trials in which any unit was recorded; if no unit was recorded at all, return all trials."""
        recorded = self.recorded_trials
        if recorded.all() or not recorded.any():
            return self
        note = f"{int((~recorded).sum())} of {len(recorded)} trials or blocks are left out: nothing was recorded there."
        return self.take(recorded, note)

    def without_partial_bins(self) -> Activity:
        """Replace the rates of all units by NaN in bins in which the rate of any unit is missing."""
        known = np.isfinite(self.rates)
        if np.array_equal(known.all(axis=2), known.any(axis=2)):
            return self
        return replace(self, rates=np.where(self.observed[:, :, None], self.rates, np.nan))

    def of_units(self, keep: np.ndarray) -> Activity:
        """Return the activity of the units that a mask keeps; `drive` still covers all units of the file."""
        if keep.all():
            return self
        return replace(self, rates=self.rates[:, :, keep], mean_rate_hz=self.mean_rate_hz[:, keep])

    def noted(self, notes: Sequence[str]) -> Activity:
        """Return the same activity with further sentences among the notes on its trials."""
        return replace(self, trials=replace(self.trials, notes=(*self.trials.notes, *notes))) if notes else self

    def take(self, keep: np.ndarray, note: str) -> Activity:
        """Return the activity in the trials that a mask keeps, with the time axis cut to the bins of these trials.

        Parameters
        ----------
        keep : (trial,) bool, True for the trials to keep.
        note : a sentence that explains the choice, added to the notes.

        Returns
        -------
        The activity in the chosen trials.
        """
        trials = self.trials.take(keep)
        covered_bins = np.isin(self.trials.bins, trials.bins)
        return replace(
            self,
            trials=replace(trials, notes=(*self.trials.notes, note)),
            rates=self.rates[keep][:, covered_bins],
            mean_rate_hz=self.mean_rate_hz[keep],
            inputs=self.inputs[keep][:, covered_bins],
            drive=None if self.drive is None else self.drive[keep][:, covered_bins],
            true_currents=None if self.true_currents is None else self.true_currents[keep][:, covered_bins],
        )
