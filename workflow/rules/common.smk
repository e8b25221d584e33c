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


# The settings of every step reach the step in this file: a command line has a limit, and a config has none. The settings
# also stand among the params of the step, so that a change of these settings, and of no others, runs the step again.
PLAN_FILE = Path(PLAN.config.results) / "plan.json"


def write_plan():
    """Write the plan of the run beside its results."""
    with whole_file(PLAN_FILE) as temporary:
        temporary.write_text(PLAN.to_json() + "\n", encoding="utf-8")


def any_of(names):
    """Pattern of a wildcard that stands for one of these names."""
    return "|".join(map(re.escape, names))


def per_fit(file, family=None, perturbed=False):
    """This file of every recording and every model, or of the models of one family, or of recordings with real
    perturbations."""
    models = [
        name
        for name, model in PLAN.config.models.items()
        if family in (None, model.family)
    ]
    return [
        f"<results>/{recording}/{model}/{file}"
        for recording, one in PLAN.recordings.items()
        if one.settings.perturbed or not perturbed
        for model in models
    ]


def recording_of_fit(wildcards):
    """The recording that a model is fitted to: its own where it has another bin width, smoothing or scaling."""
    folder = f"<results>/{wildcards.recording}"
    own = PLAN.has_own_recording(wildcards.model)
    return (
        f"{folder}/{wildcards.model}/recording.nc" if own else f"{folder}/recording.nc"
    )


def file_of_recording(wildcards):
    """The recording as it came from the lab."""
    return PLAN.recordings[wildcards.recording].path


def region_tables(wildcards):
    """Tables of region labels that the settings of a recording name."""
    return PLAN.recordings[wildcards.recording].tables()


def recording_format(wildcards):
    """nwb or hdf5."""
    return PLAN.recordings[wildcards.recording].format


def recording_settings(wildcards):
    """What ingest uses of the config, for this recording (and this model, if it has its own bins)."""
    return as_json(PLAN.recording_settings(wildcards.recording, wildcards.get("model")))


def fit_program(wildcards):
    """The package that fits this family of models."""
    return {"full_rank": "curbd", "low_rank": "lrfit"}[
        PLAN.config.models[wildcards.model].family
    ]


def fit_model(wildcards):
    """What the fit uses of the config."""
    return as_json(PLAN.fit_model(wildcards.recording, wildcards.model))


def experiments_of_recording(wildcards):
    """The experiments that the config has for a recording, and how they are run and judged."""
    return as_json(PLAN.experiments(wildcards.recording))


def unit_tables(wildcards):
    """Tables of units that the inactivations name."""
    return PLAN.unit_tables()


def populations(wildcards):
    """The populations of a low-rank network, for experiments on them."""
    low_rank = PLAN.config.models[wildcards.model].family == "low_rank"
    return "<results>/{recording}/{model}/populations.csv" if low_rank else []


def populations_option(wildcards, input):
    """Where the experiments find them."""
    return (
        f"--populations {shlex.quote(input.populations)}" if input.populations else ""
    )


def folder_of_results(wildcards, output):
    """The folder that holds everything, from a file in its folder of tables."""
    return Path(output[0]).parent.parent


# Memory in MB and time in minutes, both growing with the attempt. The floor is what Python with its libraries takes;
# the factor turns the file that is read into the arrays that a step holds at once.


def ingest_memory(wildcards, input, attempt):
    return attempt * max(1500, int(2 * input.size_mb))


def fit_memory(wildcards, input, attempt):
    # By the recording alone, which is there when a group of jobs is submitted; the network is made inside the group.
    return attempt * max(2000, int(60 * Path(input.recording).stat().st_size / 1e6))


def table_memory(wildcards, input, attempt):
    return attempt * max(1500, int(4 * input.size_mb))


def minutes(wildcards, attempt):
    return attempt * 60


def fit_minutes(wildcards, attempt):
    return attempt * 240
