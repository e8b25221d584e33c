"""Networks with known answers: recordings whose currents are known, to test what a fit recovers."""

from __future__ import annotations

from curbd.errors import UserError, did_you_mean
from curbd.teachers.excitatory_inhibitory import excitatory_inhibitory
from curbd.teachers.files import write_hdf5, write_nwb
from curbd.teachers.multi_region import Laser, multi_region
from curbd.teachers.published import published_three_region
from curbd.teachers.teacher import CLIP, Teacher, states, true_current

__all__ = [
    "CLIP",
    "TEACHERS",
    "Laser",
    "Teacher",
    "chain",
    "demo",
    "excitatory_inhibitory",
    "laser",
    "multi_region",
    "named",
    "published_three_region",
    "states",
    "true_current",
    "write_hdf5",
    "write_nwb",
]


def demo(*, seed: int = 0) -> Teacher:
    """The recording of the demo: three regions, one absent pathway (C does not reach A), 40 trials, known inputs."""
    return multi_region(units=20, trials=40, samples=200, absent=[("A", "C")], seed=seed)


def chain(*, relay: bool = True, trials: int = 20, seed: int = 0) -> Teacher:
    """A -> B -> C: the third region hears of the first through the second alone.

    With ``relay=False`` region B passes on to C what arises in B and nothing of A, which it does not hear: the same
    network without the pathway A -> B. Cutting A -> C does nothing in either.
    """
    absent = [("A", "B"), ("A", "C"), ("B", "C"), ("C", "A")] + ([] if relay else [("B", "A")])
    return multi_region(trials=trials, gain=0.8, coupling=0.8, absent=absent, seed=seed)


def laser(*, drive: float | None = None, trials: int = 120, seed: int = 0) -> Teacher:
    """A real perturbation: in every second pair of trials a laser acts on region A from 0.5 to 1.5 s.

    It silences A, or adds ``drive`` to the current of the first half of its units. B hears A, C hears neither and has
    no effect.
    """
    light = Laser("A", 0.5, 1.5) if drive is None else Laser("A", 0.5, 1.5, drive, 0.5)
    absent = [("C", "A"), ("C", "B")]
    return multi_region(trials=trials, samples=200, gain=0.8, coupling=0.8, absent=absent, laser=light, seed=seed)


TEACHERS = {
    "demo": demo,
    "three_region": multi_region,
    "chain": chain,
    "excitatory_inhibitory": excitatory_inhibitory,
    "laser": laser,
    "published": published_three_region,
}
"""Teachers that `curbd teacher NAME` writes."""


def named(name: str, seed: int) -> Teacher:
    """A teacher by its name.

    Raises
    ------
    UserError : there is none of that name.
    """
    if name not in TEACHERS:
        raise UserError.at(
            "curbd teacher",
            found=repr(name),
            expected=f"one of {', '.join(TEACHERS)}",
            todo=did_you_mean(name, TEACHERS),
        )
    return TEACHERS[name](seed=seed)
