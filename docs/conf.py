"""Settings of Sphinx for the documentation site, which `make site` builds.

The source folder is the root of the repository, so that README.md, config/README.md and all other documents are pages
where they lie, and their links lead to the same places on the site and in the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import curbd

project = "curbd-workflow"
release = curbd.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_argparse_cli", "myst_nb"]
root_doc = "docs/index"
include_patterns = ["*.md", "config/README.md", "results/README.md", "docs/**"]
html_theme = "furo"
html_title = "curbd-workflow"
# Browsers open the root of the site with index.html.
html_additional_pages = {"index": "to_the_first_page.html"}
templates_path = ["templates"]
html_copy_source = False
# A block without a language is a table or what a program printed.
highlight_language = "none"

myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
# Notebooks write files, which must not stay in the repository.
nb_execution_in_temp = True

default_role = "code"
# Attributes of different classes may have the same name.
suppress_warnings = ["ref.python"]
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

DOCSTRING_FIELDS = {"Parameters": "param", "Attributes": "ivar", "Raises": "raises"}
"""Section of a docstring -> the field of reStructuredText for each of its entries."""


def with_fields(lines: list[str]) -> Iterator[str]:
    """Replace the sections of a docstring by fields of reStructuredText.

    The docstrings of this project have the sections of numpydoc with entries ``name : description``. Sphinx adds the
    types from the signature.
    """
    section = ""
    for line, below in pairwise([*lines, ""]):
        entry = re.match(r"(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*) : (.*)", line)
        if re.fullmatch("-{3,}", below) and re.fullmatch(r"[A-Z]\w+", line):
            section = line
            yield ""
            if section == "Returns":
                yield ":returns:"
            elif section not in DOCSTRING_FIELDS:
                yield f"**{section}**"
        elif re.fullmatch("-{3,}", line):
            continue
        elif section in DOCSTRING_FIELDS and entry:
            yield f":{DOCSTRING_FIELDS[section]} {entry[1].replace('*', '')}: {entry[2]}"
        elif section in DOCSTRING_FIELDS or section == "Returns":
            yield f"    {line}"
        else:
            yield line


def setup(app: Any) -> None:
    """Let Sphinx read the docstrings of this project."""

    def replace(app: Any, what: str, name: str, documented: object, options: object, lines: list[str]) -> None:
        lines[:] = with_fields(lines)

    def is_left_out(app: Any, what: str, name: str, member: object, skip: bool, options: object) -> bool | None:
        # Fields of named tuples are described in the docstring of their class.
        is_field = str(getattr(member, "__doc__", "")).startswith("Alias for field number")
        return True if is_field or name == "model_config" else None

    app.connect("autodoc-process-docstring", replace)
    app.connect("autodoc-skip-member", is_left_out)
