"""Plans of runs, as the workflow writes them for its steps."""

from __future__ import annotations

from pathlib import Path

from curbd.settings.plan_reading import read_plan


def write_plan(folder: Path, path: Path, name: str = "rec", **config: object) -> Path:
    """The plan of a run on one recording file, written into a folder.

    Parameters
    ----------
    folder : where recordings.tsv and plan.json are written.
    path : the recording file.
    name : of the recording.
    config : sections of the config.
    """
    table = folder / "recordings.tsv"
    suffix = "nwb" if path.suffix == ".nwb" else "hdf5"
    table.write_text(f"recording\tpath\tformat\n{name}\t{path}\t{suffix}\n", encoding="utf-8")
    plan = read_plan({"recordings": str(table), "results": str(folder / "results"), **config})
    written = folder / "plan.json"
    written.write_text(plan.to_json(), encoding="utf-8")
    return written
