from . import teachers as teachers
from .estimators.fitting import Fits as Fits
from .estimators.fitting import Model as Model
from .estimators.fitting import fit as fit
from .mechanism.latents import latents as latents
from .mechanism.mechanism_tables import mechanism_tables as mechanism_tables
from .network import LowRank as LowRank
from .network import low_rank_of as low_rank_of
from .population_network.ingested import PopulationFit as PopulationFit
from .population_network.ingested import fit_populations as fit_populations

__version__: str
