"""What the adaptation of units adds to the currents between regions, and whether it is refused where there is none.

The teachers are three regions of 40 tanh units (`curbd.teachers.adapting`), with 10 training trials and 2 held-out
trials of 1200 samples. Networks are fitted to exact rates by `one_step`; the time constant of the network is known in
the first two fits, as in the reference experiment, and estimated in the third.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.recorded import recorded
from benchmarks.rows import add, finished, rows
from benchmarks.view_scores import currents_between_regions, held_out_r2
from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.network.truth import correlation
from curbd.network.view import view
from curbd.settings.models import Model
from curbd.teachers import Teacher

KEYS = ("seed", "teacher", "fit")
TEACHERS = {"units adapt": 2.0, "units do not adapt": 0.0}
"""Teacher -> largest strength of the adaptation of its units."""
FITS: dict[str, dict[str, Any]] = {
    "without": {"tau_s": 0.1},
    "with": {"tau_s": 0.1, "options": {"adaptation": True}},
    "auto, time constant estimated": {"options": {"adaptation": "auto"}},
}
TRIALS, HELD_OUT_TRIALS = 12, 2
log = logging.getLogger("adaptation")


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """All fits to the teachers of every seed; rows that the table already holds are kept."""
    done = finished(table, KEYS, again)
    for seed in seeds:
        for name, strength in TEACHERS.items():
            missing = [of_fit for of_fit in FITS if (seed, name, of_fit) not in done]
            if missing:
                add(table, KEYS, pd.DataFrame(_fits(seed, name, strength, missing, quick=quick)), list(seeds))
                log.info("%s, seed %d", name, seed)
    return rows(table, KEYS)


def _fits(seed: int, name: str, strength: float, fits: list[str], *, quick: bool) -> Iterator[dict[str, Any]]:
    sizes = {"units": 6, "samples": 80} if quick else {}
    teacher = teachers.adapting(strength=strength, trials=TRIALS, seed=seed, **sizes)
    recording, _ = recorded(teacher, HELD_OUT_TRIALS / TRIALS)
    for of_fit in fits:
        model = Model.model_validate({"family": "full_rank", "estimator": "one_step", "seeds": [0]} | FITS[of_fit])
        yield {"seed": seed, "teacher": name, "fit": of_fit} | _scores(
            teacher, recording, fit(recording, model).networks
        )


def _scores(teacher: Teacher, recording: xr.Dataset, networks: xr.Dataset) -> dict[str, Any]:
    """R2 and r of the currents between regions on training trials (raw), the held-out R2, and the adaptation."""
    seen = view(recording, networks)
    r, r2 = currents_between_regions(seen, teacher)
    adaptation, true_adaptation = seen.network.adaptation, teacher.network.adaptation
    assert true_adaptation is not None
    strength = np.nan if adaptation is None else correlation(adaptation.strength, true_adaptation.strength)
    return {
        "cross_r2": float(np.mean(r2)),
        "cross_r": float(np.mean(r)),
        "held_out_r2": held_out_r2(seen),
        "strength_r": strength,
        "adaptation_tau_s": np.nan if adaptation is None else adaptation.tau_s,
        "nats": float(networks["adaptation_nats"].item()) if "adaptation_nats" in networks else np.nan,
        "tau_s": seen.network.tau_s,
    }


def summary(table: pd.DataFrame) -> str:
    """Means over seeds, and the worst seeds, of every fit as a Markdown table."""
    lines = []
    for (teacher, name), of_fit in table.groupby(["teacher", "fit"], sort=False):
        r2, chosen = of_fit["cross_r2"], of_fit["adaptation_tau_s"]
        lines.append(
            {
                "teacher": str(teacher),
                "fit": str(name),
                "cross R2, mean (worst)": f"{number(r2.mean(), 3)} ({number(r2.min(), 3)})",
                "cross r": number(of_fit["cross_r"].mean(), 3),
                "held-out one-step R2": number(of_fit["held_out_r2"].mean(), 3),
                "r of the strengths, mean (worst)": f"{number(of_fit['strength_r'].mean(), 3)} "
                f"({number(of_fit['strength_r'].min(), 3)})",
                "adaptation": f"{chosen.notna().sum()} of {len(of_fit)}",
                "tau_a in s": " ".join(f"{tau_s:g}" for tau_s in sorted(chosen.dropna().unique())) or "-",
                "held-out nats, least to most": "-"
                if of_fit["nats"].isna().all()
                else f"{of_fit['nats'].min():.0f} to {of_fit['nats'].max():.0f}",
            }
        )
    return markdown(pd.DataFrame(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser(
        "unit_models_adaptation", __doc__, "units.md and adaptation.csv", seeds=range(10), quick=True
    )
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = measure(out / "adaptation.csv", options.seeds, quick=options.quick, again=options.again)
    insert(out / "units.md", "adaptation", summary(table))


if __name__ == "__main__":
    main()
