import re
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError

from curbd.errors import UserError
from curbd.settings.plan import as_json, read_plan
from curbd.storage import RESULTS_VERSION, whole_file

DEMO = "data/demo.h5"
MECHANISM = [
    "dynamics.csv",
    "field.parquet",
    "geometry.csv",
    "populations.csv",
    "transmission.csv",
]

# A config on the command line alone has no file.
CONFIG_FILES = workflow.overwrite_configfiles or (
    [] if HAS_OWN_CONFIG else [DEMO_CONFIG]
)

try:
    PLAN = read_plan(
        config,
        file=", ".join(map(str, CONFIG_FILES)) or "--config",
        generated=[DEMO],
        folders=[Path(file).parent for file in reversed(CONFIG_FILES)],
    )
except UserError as error:
    raise WorkflowError(str(error)) from None


# Every step reads its settings from this file: the length of a command line is limited, and the length of a config is
# not. The settings are also among the params of the step, so that a change of these settings, and of no others, runs the
# step again.
PLAN_FILE = Path(PLAN.config.results) / "plan.json"


def write_plan():
    """Write the plan of the run into the folder of its results."""
    with whole_file(PLAN_FILE) as temporary:
        temporary.write_text(PLAN.to_json() + "\n", encoding="utf-8")


def any_of(names):
    """Pattern of a wildcard that matches these names and no others."""
    return "|".join(map(re.escape, names))


def per_fit(file, family=None, perturbed=False):
    """A result file of every recording and model; only of models of a family, or of recordings with perturbed trials."""
    models = [
        name
        for name, model in PLAN.config.models.items()
        if family in (None, model.family)
    ]
    return [
        f"<results>/{recording}/{model}/{file}"
        for recording, row in PLAN.recordings.items()
        if row.settings.perturbed or not perturbed
        for model in models
    ]


def recording_of_fit(wildcards):
    """The recording that a model is fitted to: models with other bins, smoothing or scaling have their own."""
    folder = f"<results>/{wildcards.recording}"
    own = PLAN.has_own_recording(wildcards.model)
    return (
        f"{folder}/{wildcards.model}/recording.nc" if own else f"{folder}/recording.nc"
    )


def file_of_recording(wildcards):
    """The NWB or HDF5 file of a recording."""
    return PLAN.recordings[wildcards.recording].path


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


def fit_model(wildcards):
    """The settings of the step fit for a model and a recording."""
    return as_json(PLAN.fit_model(wildcards.recording, wildcards.model))


def experiments_of_recording(wildcards):
    """The experiments of the config for a recording, and how they are run and judged."""
    return as_json(PLAN.experiments(wildcards.recording))


def unit_tables(wildcards):
    """Tables of units that the inactivations name."""
    return PLAN.unit_tables()


def populations(wildcards):
    """The table of the populations of a low-rank network, for experiments on populations; nothing for other networks."""
    low_rank = PLAN.config.models[wildcards.model].family == "low_rank"
    return "<results>/{recording}/{model}/populations.csv" if low_rank else []


def populations_option(wildcards, input):
    """The option of `curbd inactivate` that names the table of populations."""
    return (
        f"--populations {shlex.quote(input.populations)}" if input.populations else ""
    )


def folder_of_results(wildcards, output):
    """The folder of the results, from a file in its folder of tables."""
    return Path(output[0]).parent.parent


# Memory in MB and time in minutes; both grow with the number of the attempt. Python and its libraries take the smallest
# amount; the factor is the ratio of the arrays that a step holds at the same time to the file that it reads.


def ingest_memory(wildcards, input, attempt):
    return attempt * max(1500, int(2 * input.size_mb))


def fit_memory(wildcards, input, attempt):
    # Only the recording exists when a group of jobs is submitted; the network is made inside the group.
    return attempt * max(2000, int(60 * Path(input.recording).stat().st_size / 1e6))


def table_memory(wildcards, input, attempt):
    return attempt * max(1500, int(4 * input.size_mb))


def minutes(wildcards, attempt):
    return attempt * 60


def fit_minutes(wildcards, attempt):
    return attempt * 240
