"""Colours of figures on light and on dark pages: variables of the style sheet, whose values the page decides."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.colors import to_hex, to_rgb

NAMED = {
    "#1a1a1a": "ink",
    "#000000": "ink",
    "#ffffff": "paper",
    "#4d4d4d": "soft",
    "#f4f4f4": "pale",
    "#f0f0f0": "pale",
    "#eeeeee": "pale",
    "#d0d0d0": "rule",
    "#e4e4e4": "rule",
}
"""Colour in figures -> variable of the style sheet, which has another value on a dark page."""
CELL_INK = "#1b1b1b"
"""Text in shaded cells, which is dark on light and on dark pages."""
DARK_PAPER = "#16181a"
"""Colour of a dark page, the variable ``paper`` of the style sheet."""
MIN_CONTRAST = 4.5
"""Contrast with a dark page below which lines and texts are lightened (WCAG 2, level AA)."""
LIGHTENED = re.compile(r"var\(--lit-([0-9a-f]{6}),")
"""Use of the variable of a colour that is lighter on a dark page."""


def page_colour(colour: str) -> str:
    """Return the colour of a line or a text as a value of a style sheet that can be read on light and on dark pages.

    Parameters
    ----------
    colour : such as ``#0072b2``.
    """
    plain = colour.lower()
    name = NAMED.get(plain)
    if name:
        return f"var(--{name}, {plain})"
    if plain == CELL_INK or _contrast(plain) >= MIN_CONTRAST:
        return plain
    return f"var(--lit-{plain[1:]}, {plain})"


def on_dark_pages(colour: str) -> str:
    """Lighten a colour until it stands out from a dark page.

    Parameters
    ----------
    colour : such as ``#0072b2``.
    """
    dark, white = np.array(to_rgb(colour)), np.ones(3)
    shades = (to_hex(dark + share * (white - dark)) for share in np.linspace(0, 1, 41))
    return next(shade for shade in shades if _contrast(shade) >= MIN_CONTRAST)


def dark_rules(page: str) -> str:
    """Write the rules of a style sheet that lighten the colours of a page on a dark screen.

    Parameters
    ----------
    page : the HTML of the page.

    Returns
    -------
    The rules; '' if no colour of the page needs them.
    """
    colours = sorted(set(LIGHTENED.findall(page)))
    values = " ".join(f"--lit-{colour}: {on_dark_pages(f'#{colour}')};" for colour in colours)
    return f"@media (prefers-color-scheme: dark) {{ :root {{ {values} }} }}" if colours else ""


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2), from 0 for black to 1 for white."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def _contrast(colour: str) -> float:
    """Contrast of a colour with a dark page."""
    low, high = sorted((luminance(colour), luminance(DARK_PAPER)))
    return (high + 0.05) / (low + 0.05)
