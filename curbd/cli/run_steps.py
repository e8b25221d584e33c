"""Steps of the command `curbd` over all recordings and models of a run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from curbd.commands.command_line import INTERRUPTED_STATUS, Steps, Terminated, add_step
from curbd.errors import UserError


def add_run_steps(steps: Steps[argparse.ArgumentParser], options: list[str]) -> None:
    """Add the steps over all recordings and models of a run; ``options`` are those of Snakemake."""
    step = add_step(steps, "run", _run, "run the workflow on a config, from any folder")
    step.usage = "curbd run my.yaml [--cores N] [--dry-run] [-- options of Snakemake]"
    step.add_argument("config", type=Path, metavar="my.yaml", help="config of the run")
    step.add_argument("--cores", default="all", metavar="N", help="number of cores (default: all)")
    step.add_argument("-n", "--dry-run", action="store_true", help="check everything and list the steps; run none")
    step.set_defaults(options=options)

    step = add_step(steps, "check", _check, "open all files of a run and print every mistake of its settings")
    step.add_argument("config", type=Path, metavar="my.yaml", help="config of the run")

    step = add_step(steps, "tables", _tables, "collect the tables of a run and record where they come from")
    step.add_argument("--results", type=Path, required=True, metavar="DIR", help="folder of the results")
    step.add_argument("--plan", type=Path, required=True, metavar="plan.json", help="plan of the run")
    step.add_argument("--partial", action="store_true", help="leave out recordings and models without all results")

    step = add_step(steps, "group", _group, "combine the recordings of a run over sessions and animals")
    step.add_argument("--tables", type=Path, required=True, metavar="DIR", help="folder of the collected tables")
    step.add_argument("--out", type=Path, required=True, metavar="group.csv", help="file for the combined estimates")

    step = add_step(steps, "report", _report, "write the report of a run")
    step.add_argument("--tables", type=Path, required=True, metavar="DIR", help="folder of the collected tables")
    step.add_argument("--results", type=Path, required=True, metavar="DIR", help="folder of the results")
    step.add_argument("--out", type=Path, required=True, metavar="report.html", help="file for the report")

    step = add_step(steps, "export-nwb", _export_nwb, "copy an NWB file and add currents, latents and verdicts")
    step.add_argument("--results", type=Path, required=True, metavar="DIR", help="folder of the results of a run")
    step.add_argument("--recording", required=True, metavar="NAME", help="name of the recording")
    step.add_argument("--models", nargs="+", default=[], metavar="NAME", help="models to export (default: all)")
    step.add_argument("--out", type=Path, required=True, metavar="FILE.nwb", help="path of the copy")


def _run(arguments: argparse.Namespace) -> None:
    from curbd.commands.workflow import run_workflow

    dry_run = ["--dry-run"] if arguments.dry_run else []
    try:
        status = run_workflow(arguments.config, arguments.cores, [*dry_run, *arguments.options])
    except Terminated as ended:
        ended.add_note("run the same command again to continue")
        raise
    except KeyboardInterrupt:
        print("curbd run: interrupted; run the same command again to continue", file=sys.stderr)
        status = INTERRUPTED_STATUS
    raise SystemExit(status)


def _check(arguments: argparse.Namespace) -> None:
    from curbd.commands.check import check_config

    checked, lines = check_config(arguments.config)
    if checked:
        print("\n".join(lines))
    else:
        raise UserError("\n".join(lines))


def _tables(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.commands.outcome import results_to_collect
    from curbd.commands.remarks import remarks
    from curbd.commands.workflow import workflow_folder
    from curbd.export.crate import write_crate
    from curbd.settings.plan import load_plan
    from curbd.storage.whole_files import whole_file
    from curbd.tables.collect import collect_run, provenance

    plan, folder = load_plan(arguments.plan), arguments.results / "tables"
    models, left_out = results_to_collect(arguments.results, plan, partial=arguments.partial)

    collected = collect_run(arguments.results, plan, models)
    origin = provenance(
        arguments.results, plan.config.model_dump(mode="json"), remarks(arguments.results, plan, models), left_out
    )

    for name, table in collected.items():
        tables.write(name, table, folder / tables.TABLES[name].file)
    with whole_file(folder / "provenance.json") as temporary:
        temporary.write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
    write_crate(folder, workflow_folder() / "Snakefile", origin)
    if arguments.partial:
        # The next run of the workflow takes a file as old as this for out of date and collects all tables again.
        os.utime(folder / "provenance.json", (1, 1))


def _group(arguments: argparse.Namespace) -> None:
    from curbd import tables
    from curbd.group.group_table import group_table

    names = ("pathways", "nulls", "regions", "contrasts", "inactivations")
    collected = {name: tables.read(name, arguments.tables / tables.TABLES[name].file) for name in names}
    tables.write("group", group_table(collected), arguments.out)


def _report(arguments: argparse.Namespace) -> None:
    from curbd.report import write_report

    write_report(arguments.tables, arguments.results, arguments.out)


def _export_nwb(arguments: argparse.Namespace) -> None:
    from curbd.export.nwb import export_nwb
    from curbd.results import read

    modules = export_nwb(read(arguments.results), arguments.recording, arguments.out, arguments.models)
    print(f"{arguments.out}: processing modules {', '.join(modules)}")
