import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from curbd.commands.default_models import with_default_models
from curbd.commands.resources import memory_of_steps, threads_of_steps
from curbd.errors import UserError
from curbd.settings.config import Config
from curbd.settings.places import is_remote
from curbd.settings.plan import Plan, as_json
from curbd.settings.plan_reading import read_plan
from curbd.settings.yaml_file import read_yaml
from curbd.settings.result_files import (
    DYNAMICS_TABLES,
    paths_of_models,
    paths_of_recordings,
)
from curbd.storage import RESULTS_VERSION
from curbd.storage.whole_files import whole_file
from curbd.tables import FROM_COLLECTED, TABLES

DEMO = "data/demo.h5"
# A config on the command line alone has no file.
CONFIG_FILES = workflow.overwrite_configfiles or (
    [] if HAS_OWN_CONFIG else [DEMO_CONFIG]
)

try:
    # Snakemake has read these files already, and keeps the last of two keys with the same name.
    for config_file in CONFIG_FILES:
        read_yaml(Path(config_file))
    PLAN = with_default_models(
        read_plan(
            config,
            file=", ".join(map(str, CONFIG_FILES)) or "--config",
            generated=[DEMO],
            folders=[Path(file).parent for file in reversed(CONFIG_FILES)],
        )
    )
except UserError as error:
    # Unlocking needs no recordings, and may be what a user does on a machine that does not see them.
    if "--unlock" not in sys.argv:
        raise WorkflowError(str(error)) from None
    PLAN = Plan(config=Config(recordings="none"), recordings={})


# Every step reads its settings from this file: the length of a command line is limited, and the length of a config is
# not. The settings are also among the params of the step, so that a change of these settings, and of no others, runs the
# step again.
PLAN_FILE = Path(PLAN.config.results) / "plan.json"


def write_plan():
    """Write the plan of the run into the folder of its results."""
    try:
        with whole_file(PLAN_FILE) as temporary:
            temporary.write_text(PLAN.to_json() + "\n", encoding="utf-8")
    except UserError as error:
        raise WorkflowError(str(error)) from None


# A dry run opens so many files at most, at a second or less for each of them; more are for `curbd check`.
MAX_FILES_IN_DRY_RUN = 20


def is_dry_run():
    """Whether Snakemake only lists the jobs; Snakemake itself tells this too late."""
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    return any(
        re.fullmatch("--dry-?run|-[pkfFtT]*n[pkfFtTq]*", word) for word in options
    ) and not any(word.startswith("--unlock") for word in options)


def check_files(done=None):
    """Open the recordings and compare all settings with them, so that all mistakes come at once and before any work.

    A run stops here where nothing could come of it. A recording with mistakes of its own costs itself only.
    """
    if os.environ.get("CURBD_CHECK", "1") == "0":
        return
    from curbd.commands.check import check_before_run

    try:
        lines = check_before_run(PLAN, done)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    print("\n".join(lines), end="\n" if lines else "", file=sys.stderr)


def check_files_in_dry_run():
    """Check the files of a small study; for others, name the command that does."""
    if len(PLAN.recordings) <= MAX_FILES_IN_DRY_RUN:
        check_files()
    else:
        config_file = CONFIG_FILES[0] if CONFIG_FILES else "my.yaml"
        print(
            f"The files were not opened: run curbd check {config_file}", file=sys.stderr
        )


def without_job_rate_limit():
    """Start local jobs without a limit of jobs per second; a cluster keeps its limit.

    With the limit, every pass of Snakemake's scheduler starts a timer that calls for another pass, and every job calls for
    one more: in a run of hundreds of jobs, the scheduler takes a whole core.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def print_end():
    """What the run has made, what it has not, and what a reader should look at."""
    from curbd.commands.outcome import closing_lines

    folder = Path(PLAN.config.results) / "tables"
    if (folder / "provenance.json").is_file():
        print("\n".join(closing_lines(folder / "provenance.json")))
        print(f"Tables: {folder}/*.csv and *.parquet, explained in results/README.md")
    if (folder / "report.html").is_file():
        print(f"Report: {folder}/report.html")


def tables_of_the_rest():
    """Tables and report of the recordings that succeeded, where some have failed.

    Snakemake runs no job whose input is missing, so the rule `tables` cannot do this. What it would have written is
    written here, and marked as out of date for the next run.
    """
    if getattr(workflow.scheduler, "_user_kill", None):
        # Ctrl-C: the next run goes on, and nothing has failed.
        return
    results = Path(PLAN.config.results)
    folder = results / "tables"
    program = "import sys; from curbd.cli import main; sys.exit(main())"
    of_tables = ["tables", "--partial", "--results", results, "--plan", PLAN_FILE]
    of_group = ["group", "--tables", folder, "--out", folder / "group.csv"]
    of_report = ["report", "--tables", folder, "--results", results]
    of_report += ["--out", folder / "report.html"]
    for words in (of_tables, of_group, of_report):
        command = [sys.executable, "-c", program, *map(str, words)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return
    print_end()


def any_of(names):
    """Pattern of a wildcard that matches these names and no others."""
    return "|".join(map(re.escape, names))


def per_fit(file):
    """A result file of every recording and model."""
    return expand(
        f"<results>/{{recording}}/{{model}}/{file}",
        recording=PLAN.recordings,
        model=PLAN.config.models,
    )


def files_to_collect():
    """The files that steps write about recordings and models, from which the tables of the run are collected.

    The currents of every trial are large, and no table is made from them.
    """
    models = dict.fromkeys(PLAN.recordings, list(PLAN.config.models))
    paths = [
        *paths_of_recordings(PLAN, PLAN.recordings),
        *paths_of_models(PLAN, models),
    ]
    return [f"<results>/{path}" for path in paths if Path(path).name != "currents.nc"]


def networks_to_compare(wildcards):
    """The fits of all models of units that are fitted to the same recording file."""
    return [
        f"<results>/{wildcards.recording}/{name}/network.nc"
        for name, model in PLAN.config.models.items()
        if model.level == "unit" and not PLAN.has_own_recording(name)
    ]


def recording_of_fit(wildcards):
    """The recording that a model is fitted to: models with other bins, smoothing or scaling have their own."""
    folder = f"<results>/{wildcards.recording}"
    own = PLAN.has_own_recording(wildcards.model)
    return (
        f"{folder}/{wildcards.model}/recording.nc" if own else f"{folder}/recording.nc"
    )


def latents_of_fit(wildcards):
    """The latents of a low-rank network; nothing for a network of full rank."""
    is_low_rank = PLAN.config.models[wildcards.model].family == "low_rank"
    folder = f"<results>/{wildcards.recording}/{wildcards.model}"
    return f"{folder}/latents.parquet" if is_low_rank else []


def file_of_recording(wildcards):
    """The NWB or HDF5 file of a recording; nothing for a file on a server, which the step reads itself."""
    path = PLAN.recordings[wildcards.recording].path
    return [] if is_remote(path) else path


def place_of_recording(wildcards):
    """The path or the address of the file of a recording."""
    return str(PLAN.recordings[wildcards.recording].path)


def region_tables(wildcards):
    """Tables of region labels that the settings of a recording name."""
    return PLAN.recordings[wildcards.recording].tables()


def recording_format(wildcards):
    """The format of the file of a recording: nwb or hdf5."""
    return PLAN.recordings[wildcards.recording].format


def recording_settings(wildcards):
    """The settings of the step ingest for a recording, and for a model that has its own bins."""
    return as_json(PLAN.recording_settings(wildcards.recording, wildcards.get("model")))


def fit_program(wildcards):
    """The command that fits the family of a model."""
    return {"full_rank": "curbd", "low_rank": "lrfit"}[
        PLAN.config.models[wildcards.model].family
    ]


def network_program(wildcards):
    """The command that computes currents and effects from the networks of a model: networks of units or populations."""
    return {"unit": "curbd", "population": "lrfit"}[
        PLAN.config.models[wildcards.model].level
    ]


def fit_model(wildcards):
    """The settings of the step fit for a model and a recording."""
    return as_json(PLAN.fit_model(wildcards.recording, wildcards.model))


def device_of_recording(wildcards):
    """The device of heavy computations: auto, cpu or cuda."""
    return PLAN.recordings[wildcards.recording].settings.device


def step_threads(wildcards, input):
    """Threads of a step of a model: more than one for a recording of many units."""
    try:
        return threads_of_steps(input.recording)
    except FileNotFoundError:
        # The recording is not there yet. Snakemake asks again when the step is ready.
        return 1


def fit_threads(wildcards, input):
    """Threads of the step fit: `force` fits its seeds at the same time, each on one thread."""
    model = PLAN.config.models[wildcards.model]
    if model.estimator_name() == "force":
        return len(model.seeds)
    return step_threads(wildcards, input)


def experiments_of_recording(wildcards):
    """The experiments of the config for a recording, and how they are run and judged."""
    return as_json(PLAN.experiments(wildcards.recording))


def unit_tables(wildcards):
    """Tables of units that the inactivations name."""
    return PLAN.unit_tables()


def constraint_tables(wildcards):
    """Tables of densities and of pairs of units that the constraints of a model name."""
    return PLAN.constraint_tables(wildcards.model)


def synapses(wildcards):
    """The table of connected pairs of units for the shared network; nothing if the config names none."""
    shared = PLAN.config.shared
    return [] if shared is None or shared.synapses is None else shared.synapses


def synapses_option(wildcards, input):
    """The option of `curbd shared` that names the table of connected pairs."""
    return f"--synapses {shlex.quote(input.synapses)}" if input.synapses else ""


def populations(wildcards):
    """The table of the groups of units of a low-rank network, for experiments on them; nothing for other networks."""
    model = PLAN.config.models[wildcards.model]
    has_groups = model.family == "low_rank" and model.level == "unit"
    return "<results>/{recording}/{model}/populations.csv" if has_groups else []


def populations_option(wildcards, input):
    """The option of `curbd inactivate` that names the table of populations."""
    return (
        f"--populations {shlex.quote(input.populations)}" if input.populations else ""
    )


def folder_of_results(wildcards, output):
    """The folder of the results, from a file in its folder of tables."""
    return Path(output[0]).parent.parent


# Memory in MB and time in minutes; both grow with the number of the attempt. Python and its libraries take the smallest
# amount; the factor of ingest and tables is the ratio of the arrays that are held at the same time to the files read.


def ingest_memory(wildcards, input, attempt):
    return attempt * max(1500, int(2 * input.size_mb))


def fit_memory(wildcards, input, attempt):
    """Memory of a step that works on blocks of trials if the recording is large and the model reads it once."""
    # Only the recording exists when a group of jobs is submitted; the network is made inside the group.
    model = PLAN.config.models[wildcards.model]
    needed = memory_of_steps(input.recording, len(model.seeds), model.reads_data_once())
    return attempt * max(2000, needed)


def whole_memory(wildcards, input, attempt):
    """Memory of a step that holds the whole recording, or its currents."""
    n_seeds = len(PLAN.config.models[wildcards.model].seeds)
    return attempt * max(2000, memory_of_steps(input.recording, n_seeds))


def table_memory(wildcards, input, attempt):
    return attempt * max(1500, int(4 * input.size_mb))


def minutes(wildcards, attempt):
    return attempt * 60


def fit_minutes(wildcards, attempt):
    return attempt * 240
