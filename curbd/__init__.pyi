from . import tables as tables
from . import teachers as teachers
from .errors import UserError as UserError
from .estimators.fitting import Fits as Fits
from .estimators.fitting import fit as fit
from .inactivation import inactivate as inactivate
from .inactivation.comparison import compare as compare
from .inactivation.experiments import run_experiments as run_experiments
from .network.view import View as View
from .network.view import view as view
from .pathways.currents import current_table as current_table
from .pathways.currents import decompose as decompose
from .pathways.judge import judge as judge
from .pathways.null_table import null_table as null_table
from .recording.ingest import Session as Session
from .recording.ingest import ingest_file as ingest_file
from .recording.inspection import inspect as inspect
from .results import Results as Results
from .results import read as read
from .scores.score import score as score
from .settings.experiments import ExperimentSettings as ExperimentSettings
from .settings.experiments import Inactivation as Inactivation
from .settings.models import Model as Model
from .settings.recording import RecordingSettings as RecordingSettings

__version__: str
