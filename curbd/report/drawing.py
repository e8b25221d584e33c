"""The style of the figures of the report, and what all figures are drawn with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, cycle
from typing import Any, Literal, NamedTuple

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from curbd.settings.report import ReportSettings

Palette = dict[str, str]
"""Region -> colour, in the order in which figures show the regions."""

REGION_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A5195")
"""Colours that people with any colour vision can distinguish (Okabe and Ito), and a violet."""
SOURCE_COLOURS = {"input": "#4D4D4D", "bias": "#8C8C8C"}
Dash = Literal["-", "--", ":", "-."]
LINE_STYLES: tuple[Dash, ...] = ("-", "--", ":", "-.")
"""Line styles of conditions; a panel shows no more conditions than there are styles."""
INK, GREY = "#1A1A1A", "#8A8A8A"
Sharing = Literal["none", "all", "row"]
GRADE_LINES: dict[str, Dash] = {"resolved": "-", "supported": "--", "cannot_tell": ":"}
"""Grade -> style of arrows and of the outlines of cells; pathways without evidence have none."""
HOVER = "hover:"
"""Start of the identifier of an artist that has a text under the pointer."""
LETTER_INCHES, LEGEND_SIGN_INCHES = 0.075, 0.5
"""Widths of a letter in legends, and of a sign with its margins."""
THIRD_TITLE_LETTERS, QUARTER_TITLE_LETTERS = 38, 30
"""Letters in a line of the title of a panel, of which three or four are side by side."""
MAX_PANEL_POINTS = 90
"""Courses of more bins are drawn at every second, third, ... bin, which is what a small panel can show."""
PAGE_WIDTH_INCHES = 10.0
"""Width of the text column of the page, in inches."""

MATPLOTLIB_STYLE = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "image.interpolation": "nearest",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
    "svg.fonttype": "none",
    # Identifiers of elements come from this salt instead of the clock, so that equal pictures are equal bytes.
    "svg.hashsalt": "curbd",
    # A region may be called $B$: text from users must not be read as a formula.
    "text.parse_math": False,
    # Black, the default, would not follow the colours of the page.
    "text.color": INK,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}


class Drawing(NamedTuple):
    """A drawn figure with its explanations.

    Attributes
    ----------
    figure : the figure.
    alt : description for readers who cannot see the figure.
    caption : text below the figure.
    """

    figure: Figure
    alt: str
    caption: str


@contextmanager
def report_style() -> Iterator[None]:
    """Apply the style of the report while figures are drawn and saved, whatever the style settings of the user are."""
    with matplotlib.style.context(MATPLOTLIB_STYLE, after_reset=True):
        yield


def colours(regions: Iterable[str], wanted: ReportSettings | None = None) -> Palette:
    """Assign a colour to every region, for use throughout the report.

    Parameters
    ----------
    regions : names of the regions of all recordings.
    wanted : order and colours that the config asks for.

    Returns
    -------
    Region -> colour, in the order in which figures show the regions.
    """
    wanted = wanted or ReportSettings()
    present = set(regions)
    named = [name for name in wanted.regions if name in present]
    names = [*named, *sorted(present - set(named))]
    return dict(zip(names, _distinct_colours(len(names)), strict=True)) | {
        name: colour for name, colour in wanted.colours.items() if name in present
    }


def _distinct_colours(number: int) -> list[str]:
    """Colours that differ between neighbours: the fixed colours, then their darker and their lighter shades."""
    shades = [list(REGION_COLOURS)]
    for towards, share in (("#000000", 0.3), ("#FFFFFF", 0.4), ("#000000", 0.45)):
        shades.append([_mixed(colour, towards, share) for colour in REGION_COLOURS])
    return [colour for _, colour in zip(range(number), cycle(chain(*shades)), strict=False)]


def _mixed(colour: str, towards: str, share: float) -> str:
    red, green, blue = (1 - share) * np.array(to_rgb(colour)) + share * np.array(to_rgb(towards))
    return to_hex((float(red), float(green), float(blue)))


def resolved_first(pathways: pd.DataFrame) -> pd.DataFrame:
    """Order pathways for figures with room for a few: resolved pathways first, then those with the largest share.

    Parameters
    ----------
    pathways : rows of the table ``pathways``.
    """
    place = pathways.assign(is_resolved=pathways["verdict"] == "resolved")
    order = place.sort_values(["is_resolved", "share"], ascending=False, kind="stable").index
    return pathways.loc[order]


def in_order(names: Iterable[str], palette: Palette) -> list[str]:
    """Sort names of regions as the palette has them; names that are no regions follow in alphabetical order."""
    rank = {name: position for position, name in enumerate(palette)}
    # A column of a table has few names in millions of rows.
    distinct = names.unique() if isinstance(names, pd.Series) else names
    return sorted(set(map(str, distinct)), key=lambda name: (rank.get(name, len(rank)), name))


def sources_in_order(names: Iterable[str], palette: Palette) -> list[str]:
    """Sort names of sources: regions as the palette has them, then inputs, then the bias."""
    ordered = in_order(names, palette)
    return [name for name in ordered if name != "bias"] + ["bias"] * ("bias" in ordered)


def source_colour(source: str, palette: dict[str, str]) -> str:
    """Return the colour of a source: that of its region, or a grey for inputs and the bias."""
    return palette.get(source, SOURCE_COLOURS["bias" if source == "bias" else "input"])


def panels(
    rows: int, columns: int, size: tuple[float, float], *, share_x: bool = False, share_y: Sharing = "none"
) -> tuple[Figure, np.ndarray]:
    """Construct a figure of panels of equal size that is never wider than the page.

    Parameters
    ----------
    rows, columns : numbers of rows and columns of panels.
    size : width and height of a panel in inches.
    share_x, share_y : which panels share their axes, as in `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    The figure, and its axes (row, column).
    """
    width, height = size
    figure = Figure(figsize=(min(width, PAGE_WIDTH_INCHES), height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=share_x, sharey=share_y)


def wrapped_label(label: str, width: int = 15) -> str:
    """Break a label into lines of at most ``width`` characters, after separators."""
    lines = [""]
    for piece in re.findall(r".+?(?:[\s_:/>-]+|$)", label):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() if len(line.strip()) <= width + 3 else line.strip()[:width] + "…" for line in lines)


def legend_marker(marker: str, label: str, **look: Any) -> Line2D:
    """Construct a marker for a legend."""
    return Line2D([], [], linestyle="none", marker=marker, label=label, **look)


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Draw a legend below all panels, in as many columns as the width of the figure has room for."""
    widest = max(len(str(handle.get_label())) for handle in handles)
    room = int(figure.get_figwidth() / (LEGEND_SIGN_INCHES + LETTER_INCHES * widest))
    figure.legend(handles=list(handles), loc="outside lower center", ncols=max(1, min(len(handles), room)))


def zero_line(axes: Axes) -> None:
    """Draw a grey line at zero, behind everything else."""
    axes.axhline(0, color="#D0D0D0", linewidth=0.7, zorder=0)


def event_line(axes: Axes) -> None:
    """Draw a dotted line at t = 0, the event that trials are aligned to, if the panel has times before it."""
    low, high = axes.get_xlim()
    if low < 0 < high and axes.dataLim.x0 < 0:
        axes.axvline(0, color=GREY, linewidth=0.7, linestyle=":", zorder=0)


def hover(artist: Artist, text: str) -> None:
    """Give an artist a text that the page shows under the pointer."""
    artist.set_gid(f"{HOVER}{text}")
