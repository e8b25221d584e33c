"""What signs, distances and densities add to a fit, and whether wrong ones are noticed.

The teachers of the experiments ``labels`` and ``density`` are three regions of excitatory and inhibitory units in
space, with inhibition inside regions only (`curbd.teachers.excitatory_inhibitory`); those of the experiment ``region``
are a cortex and a striatum (`curbd.teachers.inhibitory_region`). Networks are fitted to exact rates with the true time
constant, as in the reference experiments. Five further trials are held out. The experiment ``silencing`` compares the
effects of silencing in the fitted network with their mean over networks drawn from the posterior, and with those of a
fit that knows which units are connected. The experiment ``reference`` (seeds 0 to 3) has the four teachers and the
trials of the reference experiment itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.reference_circuit import reference_circuit
from benchmarks.rows import add, finished, rows
from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.network.equation import Network, simulate
from curbd.network.file import network_of
from curbd.network.view import views
from curbd.recording.ingest import ingest_file
from curbd.scores.constraints import constraint_table
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings
from curbd.teachers import Teacher

Array = np.ndarray
KEYS = ("seed", "experiment", "trials", "fit")
HELD_OUT_TRIALS = 5
SILENT = -1.0
"""Rate of a silent unit in the teachers of excitatory and inhibitory units."""
DALE = {"signs": True, "local_inhibition": True, "distance": 1.0}
LABELLED = "L1, signs + distance + local"
UNCONSTRAINED = "L1"
CONNECTED = "L1, signs + true pairs"
POSTERIOR_DRAWS = 20
MISLABELLED = f"{LABELLED}, shuffled cell types"
MISPLACED = f"{LABELLED}, shuffled positions"
log = logging.getLogger("biology")


def measure(
    table: Path,
    seeds: Sequence[int],
    experiments: Sequence[str] | None = None,
    *,
    quick: bool = False,
    again: bool = False,
) -> pd.DataFrame:
    """The experiments, all by default, with the teachers of every seed; rows that the table already holds are kept."""
    done = {key[:2] for key in finished(table, KEYS, again)}
    for name in experiments or EXPERIMENTS:
        for seed in seeds:
            if (seed, name) not in done:
                order = sorted({*seeds, *rows(table, KEYS)["seed"]})
                add(table, KEYS, pd.DataFrame(EXPERIMENTS[name](seed, quick=quick)), order)
                log.info("%s, seed %d", name, seed)
    return rows(table, KEYS)


def _labels(seed: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    """True and shuffled cell types and positions, with 2 and 20 training trials."""
    for trials in (2, 20):
        teacher, recording = _recorded(teachers.excitatory_inhibitory, seed, trials, quick=quick)
        row = {"seed": seed, "experiment": "labels", "trials": trials}
        networks = _fitted(recording, "sparse", DALE)
        yield row | {"fit": LABELLED} | _scores(teacher, recording, networks) | _judged(networks)
        free = networks.assign(J=networks["unconstrained_J"], b=networks["unconstrained_b"])
        yield row | {"fit": UNCONSTRAINED} | _scores(teacher, recording, free)
        types = np.random.default_rng(seed).permutation(recording["cell_type"].values)
        networks = _fitted(recording.assign_coords(cell_type=("unit", types)), "sparse", DALE)
        yield row | {"fit": MISLABELLED} | _scores(teacher, recording, networks) | _judged(networks)
        order = np.random.default_rng(seed).permutation(recording.sizes["unit"])
        moved = recording.assign_coords({axis: ("unit", recording[axis].values[order]) for axis in "xyz"})
        networks = _fitted(moved, "sparse", DALE)
        yield row | {"fit": MISPLACED} | _scores(teacher, recording, networks) | _judged(networks)


def _silencing(seed: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Effects of silencing in the fit, in draws from its posterior, and in a fit that knows who is connected."""
    row: dict[str, Any] = {"seed": seed, "experiment": "silencing"}
    for trials in (2, 20):
        teacher, recording = _recorded(teachers.excitatory_inhibitory, seed, trials, quick=quick)
        networks = _fitted(recording, "sparse", DALE | {"shuffles": 0})
        scores = _scores(teacher, recording, networks) | _from_recorded(teacher, recording, networks)
        scores["expected_silencing_r2"] = _expected_silencing(teacher, recording, networks)
        yield row | {"trials": trials, "fit": LABELLED} | scores
    name = recording["unit_id"].values.astype(str)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.tsv"
        lines = [f"{name[target]}\t{name[source]}" for target, source in np.argwhere(teacher.network.J != 0)]
        path.write_text("\n".join(["target\tsource", *lines]) + "\n", encoding="utf-8")
        networks = _fitted(recording, "sparse", {"signs": True, "pairs": str(path), "shuffles": 0})
    expected = {"expected_silencing_r2": _expected_silencing(teacher, recording, networks)}
    yield row | {"trials": 20, "fit": CONNECTED} | _scores(teacher, recording, networks) | expected


def _reference(seed: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Silencing in the teachers of the reference experiment."""
    for trials in (2, 20):
        teacher, recording = _recorded(reference_circuit, seed, trials, quick=quick)
        networks = _fitted(recording, "sparse", DALE | {"shuffles": 0})
        row: dict[str, Any] = {"seed": seed, "experiment": "reference", "trials": trials, "fit": LABELLED}
        yield row | _scores(teacher, recording, networks) | _from_recorded(teacher, recording, networks)


def _from_recorded(teacher: Teacher, recording: xr.Dataset, networks: xr.Dataset) -> dict[str, float]:
    """R2 of the effects of silencing that starts from the last states of the training trials."""
    last = np.arctanh(teacher.rates[recording["split"].values == "train", -1])
    fitted = network_of(networks, 0)
    estimated, true = (silencing(network, teacher.region, last) for network in (fitted, teacher.network))
    return {"recorded_silencing_r2": _r2(estimated, true)}


def _expected_silencing(teacher: Teacher, recording: xr.Dataset, networks: xr.Dataset) -> float:
    """R2 of the mean effects over networks drawn from the posterior, as `expected_mean` of a run."""
    region = teacher.region
    drawn = [silencing(network, region) for network in views(recording, networks)[0].draws(POSTERIOR_DRAWS, 0)]
    return _r2(np.mean(drawn, axis=0), silencing(teacher.network, region))


def _r2(estimated: Array, true: Array) -> float:
    return float(1 - ((estimated - true) ** 2).sum() / (true**2).sum())


def _densities(seed: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Densities of the true network, given for every pair of regions."""
    teacher, recording = _recorded(teachers.excitatory_inhibitory, seed, 20, quick=quick)
    region = teacher.region
    with TemporaryDirectory() as folder:
        path = Path(folder) / "density.tsv"
        lines = [
            f"{target}\t{source}\t{(teacher.network.J[np.ix_(region == target, region == source)] != 0).mean():.4f}"
            for target in "ABC"
            for source in "ABC"
        ]
        path.write_text("\n".join(["target\tsource\tdensity", *lines]) + "\n", encoding="utf-8")
        networks = _fitted(recording, "sparse", DALE | {"density": str(path), "shuffles": 0})
    table = constraint_table(networks)
    assert table is not None
    off = (table["realised_density"] - table["prescribed_density"]).abs()
    row = {"seed": seed, "experiment": "density", "trials": 20, "fit": f"{LABELLED} + density"}
    yield row | _scores(teacher, recording, networks) | _judged(networks) | {"density_error": off.iloc[1:].max()}


def _regions(seed: int, *, quick: bool) -> Iterator[dict[str, Any]]:
    """An inhibitory region on a teacher that has one, and on a teacher that has none."""
    for mixed in (False, True):

        def build(mixed: bool = mixed, **keys: Any) -> Teacher:
            return teachers.inhibitory_region(mixed=mixed, **keys)

        settings = RecordingSettings.model_validate({"cell_types": {"inhibitory_regions": ["striatum"]}})
        _, recording = _recorded(build, seed, 20, quick=quick, settings=settings)
        for name, estimator in (("ridge", "one_step"), ("L1", "sparse")):
            networks = _fitted(recording, estimator, {"signs": True})
            row = {"seed": seed, "experiment": "region", "trials": 20}
            yield row | {"fit": f"{name}, {'mixed' if mixed else 'inhibitory'} striatum"} | _judged(networks)


def _recorded(
    build: Callable[..., Teacher],
    seed: int,
    trials: int,
    *,
    quick: bool,
    settings: RecordingSettings | None = None,
) -> tuple[Teacher, xr.Dataset]:
    """A teacher and its recording, of which the last trials are held out."""
    sizes = {"units": 8, "samples": 60} if quick else {}
    teacher = build(seed=seed, trials=trials + HELD_OUT_TRIALS, **sizes)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.h5"
        teachers.write_hdf5(teacher, path)
        recording = ingest_file(path, settings).recording
    split = np.where(np.arange(trials + HELD_OUT_TRIALS) < trials, "train", "test")
    return teacher, recording.assign_coords(split=("trial", split))


def _fitted(recording: xr.Dataset, estimator: str, constraints: dict[str, Any]) -> xr.Dataset:
    keys = {"family": "full_rank", "estimator": estimator, "seeds": [0], "tau_s": 0.1, "constraints": constraints}
    return fit(recording, Model.model_validate(keys)).networks


def _judged(networks: xr.Dataset) -> dict[str, Any]:
    """The first row of the table of constraints: scores on held-out trials, signs, and the verdict."""
    table = constraint_table(networks)
    assert table is not None
    columns = ["held_out_r2", "held_out_gain", "wrong_sign_share", "n_sign_violations", "shuffled_r2", "verdict"]
    columns += [column for column in ("shuffled_positions_r2", "distance_verdict") if column in table]
    return {column: table.iloc[0][column] for column in columns}


def _scores(teacher: Teacher, recording: xr.Dataset, networks: xr.Dataset) -> dict[str, Any]:
    """R2 of the currents between regions on the training trials, and of the effects of silencing each region."""
    fitted = network_of(networks, 0)
    rates = teacher.rates[recording["split"].values == "train"].reshape(-1, len(teacher.region))
    rates = rates - rates.mean(0)
    region, shares = teacher.region, []
    for target in np.unique(region):
        for source in np.unique(region):
            if source != target:
                block = np.ix_(region == target, region == source)
                sent = rates[:, region == source]
                shares.append(_r2(sent @ fitted.J[block].T, sent @ teacher.network.J[block].T))
    true, estimated = (silencing(network, region) for network in (teacher.network, fitted))
    return {"cross_r2": float(np.mean(shares)), "silencing_r2": _r2(estimated, true)}


def silencing(network: Network, region: Array, start: Array | None = None) -> Array:
    """Change of the mean rates of all other units when the units of a region are silent, for each region in turn.

    Simulations have no noise and 500 samples; rates are averaged over samples 251 to 499 and over the starts (start,
    unit), three random ones by default.
    """
    n = len(region)
    if start is None:
        start = 0.8 * np.random.default_rng(12345).standard_normal((3, n))
    inputs = np.zeros((len(start), 500, network.B.shape[1]))

    def mean_rates(silent: Array) -> Array:
        gain = np.broadcast_to(np.where(silent, 0.0, 1.0), (1, 500, n))
        return simulate(network, start, inputs, gain=gain, silent=SILENT)[:, 251:].mean((0, 1))

    intact = mean_rates(np.zeros(n, dtype=bool))
    return np.concatenate([(mean_rates(region == name) - intact)[region != name] for name in np.unique(region)])


EXPERIMENTS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "region": _regions,
    "labels": _labels,
    "density": _densities,
    "silencing": _silencing,
    "reference": _reference,
}


OF_SOME_EXPERIMENTS = ["recorded_silencing_r2", "expected_silencing_r2", "density_error", "distance_verdict"]
"""Columns that a table lacks if the experiment that measures them was left out."""


def summary(table: pd.DataFrame) -> str:
    """Means over seeds of every fit, as a Markdown table."""
    table = table.reindex(columns=table.columns.union(OF_SOME_EXPERIMENTS, sort=False))
    lines = []
    order = {"labels": 0, "density": 1, "region": 2, "silencing": 3, "reference": 4}
    for (experiment, trials, name), of_fit in sorted(
        table.groupby(["experiment", "trials", "fit"]), key=lambda group: (order[str(group[0][0])], group[0][1:])
    ):
        doubtful = of_fit["verdict"].isin(["contradicted", "no_evidence"]).sum()
        judged = of_fit["verdict"].notna() & (of_fit["verdict"] != "untested")
        lines.append(
            {
                "experiment": experiment,
                "training trials": str(trials),
                "fit": name,
                "cross R2": number(of_fit["cross_r2"].mean(), 3),
                "silencing R2": number(of_fit["silencing_r2"].mean(), 3),
                "silencing R2, recorded starts": number(of_fit["recorded_silencing_r2"].mean(), 3),
                "expected silencing R2": number(of_fit["expected_silencing_r2"].mean(), 3),
                "held-out R2": number(of_fit["held_out_r2"].mean(), 3),
                "against no constraints": number(of_fit["held_out_gain"].mean(), 3),
                "growth of the held-out error": _percent_range(of_fit),
                "weights of the other sign": number(of_fit["wrong_sign_share"].mean(), 2),
                "violations": number(of_fit["n_sign_violations"].max(), 0),
                "largest error of density": number(of_fit["density_error"].max(), 3),
                "warned of": f"{doubtful} of {judged.sum()}" if judged.any() else "-",
                "distance supported": _supported(of_fit),
            }
        )
    return markdown(pd.DataFrame(lines))


def _supported(of_fit: pd.DataFrame) -> str:
    """In how many fits true positions predict better than shuffled ones."""
    judged = of_fit["distance_verdict"].dropna()
    return f"{(judged == 'supported').sum()} of {len(judged)}" if len(judged) else "-"


def _percent_range(of_fit: pd.DataFrame) -> str:
    """Least and largest growth of the held-out error by the constraints, over seeds, in per cent of that without."""
    growth = -of_fit["held_out_gain"] / (1 - of_fit["held_out_r2"] + of_fit["held_out_gain"])
    return "-" if growth.isna().all() else f"{round(100 * growth.min())} to {round(100 * growth.max())} %"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser("biology", __doc__, "biology.md and biology.csv", seeds=range(20, 25), quick=True)
    parser.add_argument("--experiments", nargs="+", choices=EXPERIMENTS, help="experiments (default: all)")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = measure(
            out / "biology.csv", options.seeds, options.experiments, quick=options.quick, again=options.again
        )
    insert(out / "biology.md", "biology", summary(table))


if __name__ == "__main__":
    main()
