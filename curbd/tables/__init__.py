"""The result tables: the meaning of each column, and the check that every table passes before it is written.

One description of a column is used for validation, the JSON schemas under ``workflow/schemas/`` and the data dictionary
``results/README.md``.
"""

from curbd.tables.catalog import FROM_COLLECTED, TABLES
from curbd.tables.column import Column, Table
from curbd.tables.files import concatenate, empty, problems, read, write
from curbd.tables.fits import UNIT_SCORES

__all__ = [
    "FROM_COLLECTED",
    "TABLES",
    "UNIT_SCORES",
    "Column",
    "Table",
    "concatenate",
    "empty",
    "problems",
    "read",
    "write",
]
