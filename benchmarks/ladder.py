"""The ladder: recordings from easy to hopeless, each of which differs from the base recording in one respect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmarks.cases import Case, Observation, record
from curbd import teachers

HELD_OUT_TRIALS = 4
"""Trials in addition to the training trials, on which forecasts are scored."""


class Rung(NamedTuple):
    """One recording of the ladder; the default is the base: 3 regions of 40 units, 20 trials, process noise 0.3.

    Attributes
    ----------
    trials : number of training trials.
    teacher : arguments of `curbd.teachers.multi_region` that differ from its defaults.
    how : the observation.
    time_known : whether the time constant and the Euler steps are given.
    published : None, or the coupling of the simulator of the CURBD publication, which then makes the recording.
    """

    trials: int = 20
    teacher: Mapping[str, Any] = {}
    how: Observation = Observation()
    time_known: bool = True
    published: float | None = None


def _measured(noise_sd: float, smoothing_s: float = 0.0, process_noise: float = 0.0) -> Rung:
    return Rung(teacher={"process_noise": process_noise}, how=Observation(noise_sd=noise_sd, smoothing_s=smoothing_s))


RAW_COUNTS = "spike counts"
"""The only rung whose rates leave (-1, 1): for estimators that model spike counts."""

RUNGS: Mapping[str, Rung] = {
    "base": Rung(),
    "1 trial of 1200 samples": Rung(trials=1, teacher={"samples": 1200}),
    "5 trials": Rung(trials=5),
    "40 trials": Rung(trials=40),
    "noise 0": Rung(teacher={"process_noise": 0.0}),
    "noise 1.0": Rung(teacher={"process_noise": 1.0}),
    "noise 0, 1 trial of 1200 samples": Rung(trials=1, teacher={"process_noise": 0.0, "samples": 1200}),
    "input hidden": Rung(teacher={"inputs": "hidden"}),
    "input hidden, noise 0": Rung(teacher={"inputs": "hidden", "process_noise": 0.0}),
    "no input": Rung(teacher={"inputs": "none"}),
    "half of the units": Rung(how=Observation(recorded_share=0.5)),
    "time constant unknown": Rung(time_known=False),
    "coupling .05": Rung(teacher={"coupling": 0.05}),
    "coupling .2": Rung(teacher={"coupling": 0.2}),
    "coupling 1": Rung(teacher={"coupling": 1.0}),
    "2 of 6 pathways absent": Rung(teacher={"absent": [("A", "C"), ("B", "A")]}),
    "2 regions": Rung(teacher={"regions": ["A", "B"]}),
    "5 regions": Rung(teacher={"regions": ["A", "B", "C", "D", "E"]}),
    "15, 40, 65 units": Rung(teacher={"units": [15, 40, 65]}),
    "rank 2": Rung(teacher={"rank": 2}),
    "measured .01": _measured(0.01),
    "measured .01, smoothed": _measured(0.01, 0.02),
    "measured .05": _measured(0.05),
    "measured .05, smoothed": _measured(0.05, 0.02),
    "measured .1": _measured(0.1),
    "measured .1, smoothed": _measured(0.1, 0.03),
    "measured .05, noise .3": _measured(0.05, 0.0, 0.3),
    "measured .05, noise .3, smoothed": _measured(0.05, 0.02, 0.3),
    "measured .1, noise .3": _measured(0.1, 0.0, 0.3),
    "measured .1, noise .3, smoothed": _measured(0.1, 0.03, 0.3),
    "calcium .1 s": Rung(how=Observation(indicator_s=0.1)),
    "calcium .5 s": Rung(how=Observation(indicator_s=0.5)),
    "spike counts, smoothed": Rung(trials=100, how=Observation(peak_rate_hz=50.0, smoothing_s=0.05)),
    RAW_COUNTS: Rung(trials=100, how=Observation(peak_rate_hz=50.0)),
    "published, coupling .2": Rung(trials=1, published=0.2),
    "published, coupling .02": Rung(trials=1, published=0.02),
}
"""Name -> rung."""

PANELS: Mapping[str, Mapping[str, str]] = {
    "training trials": {
        "1, long": "1 trial of 1200 samples",
        "5": "5 trials",
        "20": "base",
        "40": "40 trials",
    },
    "process noise": {
        "0, 1 trial": "noise 0, 1 trial of 1200 samples",
        "0": "noise 0",
        ".3": "base",
        "1": "noise 1.0",
    },
    "external input": {
        "known": "base",
        "none": "no input",
        "hidden": "input hidden",
        "hidden, noise 0": "input hidden, noise 0",
    },
    "what is known": {
        "all": "base",
        "no time\nconstant": "time constant unknown",
        "half of\nthe units": "half of the units",
    },
    "coupling between regions": {".05": "coupling .05", ".2": "coupling .2", ".5": "base", "1": "coupling 1"},
    "structure": {
        "all\npathways": "base",
        "2 of 6\nabsent": "2 of 6 pathways absent",
        "15, 40, 65\nunits": "15, 40, 65 units",
        "rank 2": "rank 2",
    },
    "regions": {"2": "2 regions", "3": "base", "5": "5 regions"},
    "measurement noise": {"0": "noise 0", ".01": "measured .01", ".05": "measured .05", ".1": "measured .1"},
    "the same, smoothed first": {
        ".01": "measured .01, smoothed",
        ".05": "measured .05, smoothed",
        ".1": "measured .1, smoothed",
    },
    "measurement and process noise": {
        ".05": "measured .05, noise .3",
        ".05\nsmoothed": "measured .05, noise .3, smoothed",
        ".1": "measured .1, noise .3",
        ".1\nsmoothed": "measured .1, noise .3, smoothed",
    },
    "indirect observation": {
        "rates": "base",
        "calcium\n.1 s": "calcium .1 s",
        "calcium\n.5 s": "calcium .5 s",
        "spikes\nsmoothed": "spike counts, smoothed",
        "spikes": RAW_COUNTS,
    },
    "published simulator": {"coupling .2": "published, coupling .2", "coupling .02": "published, coupling .02"},
}
"""Panel of the figure -> label -> rung."""


def build(rung: Rung, seed: int, quick: bool = False) -> Case:
    """The recording of a rung.

    Parameters
    ----------
    rung : the rung.
    seed : of the teacher and of the observation noise.
    quick : whether the recording is tiny, to try the machinery and not the estimators.
    """
    if rung.published is not None:
        # Seed 10 is the first of those for which the published algorithm was measured.
        units = 12 if quick else 100
        teacher = teachers.published_three_region(coupling=rung.published, units=units, seed=seed + 10)
        return record(teacher, rung.how, 1, seed, rung.time_known)
    settings, trials = dict(rung.teacher), rung.trials
    if quick:
        trials = max(trials // 5, 1)
        settings |= {"samples": 60, "units": [6, 8, 10][: len(settings.get("regions", "ABC"))]}
        settings |= {"units": 8} if len(settings.get("regions", "ABC")) > 3 else {}
    teacher = teachers.multi_region(**settings, trials=trials + HELD_OUT_TRIALS, seed=seed)
    return record(teacher, rung.how, trials, seed, rung.time_known)
