"""Names of settings, columns and files in the sentences of a page, in the font of code."""

from __future__ import annotations

import re

import markupsafe

CODE_WORD = re.compile(
    r"`([^`]+)`"
    r"|(?<=\()([a-z_]+: [a-z_]+)(?=\))"
    r"|(?<![\w.])([a-z_]+\.(?:csv|parquet|nc|json|graphml)|[a-z]+(?:_[a-z0-9]+)+)(?![\w.]*\w)"
)
"""Text between backticks, a setting with its value in brackets, a file of results, or words joined by underscores."""


def coded(text: str) -> markupsafe.Markup:
    """Escape a text for HTML, and put names of settings, columns and files into the font of code."""
    escaped = str(markupsafe.escape(text))
    return markupsafe.Markup(CODE_WORD.sub(lambda word: f"<code>{word[word.lastindex or 0]}</code>", escaped))
