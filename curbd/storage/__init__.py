"""Files of a run: whole or absent, in netCDF, HDF5 and Zarr, and the version of the results that they hold."""

RESULTS_VERSION = 12
"""Version of the results; a developer increases it when the meaning of results changes, and the workflow then runs
every step again."""
