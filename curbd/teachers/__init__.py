"""Teachers: simulated recordings of known networks, whose true currents show what a fit recovers."""

from __future__ import annotations

from pathlib import Path

from curbd.errors import UserError, did_you_mean
from curbd.teachers.adapting import adapting
from curbd.teachers.animals import Animals, several_animals
from curbd.teachers.coupled_oscillators import FieldTeacher, coupled_oscillators
from curbd.teachers.excitatory_inhibitory import excitatory_inhibitory
from curbd.teachers.files import write_fields, write_hdf5, write_nwb, write_populations
from curbd.teachers.inhibitory_region import inhibitory_region
from curbd.teachers.multi_region import Laser, multi_region
from curbd.teachers.populations import PopulationTeacher, populations
from curbd.teachers.published import published_three_region
from curbd.teachers.teacher import CLIP, Teacher, states, true_current
from curbd.teachers.two_days import TwoDays, two_days
from curbd.teachers.unequal_time_constants import unequal_time_constants

__all__ = [
    "CLIP",
    "FIELD_TEACHERS",
    "POPULATION_TEACHERS",
    "TEACHERS",
    "Animals",
    "FieldTeacher",
    "Laser",
    "Teacher",
    "TwoDays",
    "adapting",
    "chain",
    "coupled_oscillators",
    "demo",
    "excitatory_inhibitory",
    "inhibitory_region",
    "laser",
    "multi_region",
    "named",
    "published_three_region",
    "several_animals",
    "states",
    "true_current",
    "two_days",
    "unequal_time_constants",
    "write",
    "write_fields",
    "write_hdf5",
    "write_nwb",
    "write_populations",
]


def demo(*, seed: int = 0) -> Teacher:
    """Simulate the recording of the demo: three regions, 40 trials, known inputs, and no pathway from C to A.

    Parameters
    ----------
    seed : seed for the weights, inputs and all noise.

    Returns
    -------
    The recording together with the network that made it.
    """
    return multi_region(units=20, trials=40, samples=200, absent=[("A", "C")], seed=seed)


def chain(*, relay: bool = True, trials: int = 20, seed: int = 0) -> Teacher:
    """Simulate a chain of regions A -> B -> C, in which activity of A reaches C only through B.

    There is no direct pathway from A to C, so that cutting A -> C has no effect.

    Parameters
    ----------
    relay : True for a pathway A -> B. Without this pathway, B sends to C only activity that arises in B.
    trials : number of trials.
    seed : seed for the weights and all noise.

    Returns
    -------
    The recording together with the network that made it.
    """
    absent = [("A", "B"), ("A", "C"), ("B", "C"), ("C", "A")] + ([] if relay else [("B", "A")])
    return multi_region(trials=trials, gain=0.8, coupling=0.8, absent=absent, seed=seed)


def laser(*, drive: float | None = None, trials: int = 120, seed: int = 0) -> Teacher:
    """Simulate a recording with real perturbations: a laser acts on region A from 0.5 to 1.5 s in half of the trials.

    The trials with a laser are every second pair of trials. A drives B. C receives no current from A or B, so that the
    laser has no effect on C.

    Parameters
    ----------
    drive : current that the laser adds to the first half of the units of A, in the (dimensionless) units of the state
        x; None for a laser that silences all units of A.
    trials : number of trials.
    seed : seed for the weights and all noise.

    Returns
    -------
    The recording together with the network that made it.
    """
    share = 1.0 if drive is None else 0.5
    light = Laser(region="A", start_s=0.5, stop_s=1.5, drive=drive, share=share)
    absent = [("C", "A"), ("C", "B")]
    return multi_region(trials=trials, samples=200, gain=0.8, coupling=0.8, absent=absent, laser=light, seed=seed)


TEACHERS = {
    "adapting": adapting,
    "demo": demo,
    "three_region": multi_region,
    "chain": chain,
    "excitatory_inhibitory": excitatory_inhibitory,
    "inhibitory_region": inhibitory_region,
    "laser": laser,
    "published": published_three_region,
    "unequal_time_constants": unequal_time_constants,
}
"""Name -> teacher, as the command `curbd teacher NAME` writes it."""


def sampled_populations(*, seed: int = 0) -> PopulationTeacher:
    """Simulate the spikes of three regions with 20 of 100 units recorded in 100 trials; 2 of 6 pathways are absent.

    Parameters
    ----------
    seed : seed for weights, noise and spikes.

    Returns
    -------
    The spike counts together with the currents of all units, recorded and unrecorded.
    """
    return populations(regions=3, units=100, recorded=20, trials=100, bins=60, rate_hz=12.0, seed=seed)


POPULATION_TEACHERS = {"populations": sampled_populations}
FIELD_TEACHERS = {"oscillators": coupled_oscillators}


def named(name: str, seed: int) -> Teacher:
    """Simulate the teacher with a given name in `TEACHERS`.

    Parameters
    ----------
    name : name of the teacher.
    seed : seed for the weights and all noise.

    Returns
    -------
    The recording together with the network that made it.

    Raises
    ------
    UserError : there is no teacher with this name.
    """
    if name not in TEACHERS:
        names = [*TEACHERS, *POPULATION_TEACHERS, *FIELD_TEACHERS]
        raise UserError.at(
            "curbd teacher",
            found=repr(name),
            expected=f"one of {', '.join(names)}",
            todo=did_you_mean(name, names),
        )
    return TEACHERS[name](seed=seed)


def write(name: str, seed: int, path: Path) -> None:
    """Simulate the teacher with a given name, and write its recording.

    Parameters
    ----------
    name : name of the teacher, as in the command ``curbd teacher NAME``.
    seed : seed for the weights and all noise.
    path : path of the file; the suffix ``.nwb`` writes an NWB file, without what is true.

    Raises
    ------
    UserError : there is no teacher with this name, or its recording has no form in NWB.
    """
    if name in POPULATION_TEACHERS:
        write_populations(POPULATION_TEACHERS[name](seed=seed), path)
    elif name in FIELD_TEACHERS:
        write_fields(FIELD_TEACHERS[name](seed=seed), path)
    else:
        (write_nwb if path.suffix == ".nwb" else write_hdf5)(named(name, seed), path)
