"""The style of the pictures in the report, and the conversion of figures to pictures on the page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

REGION_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A5195")
"""Colours that people with any colour vision can distinguish (Okabe and Ito), and a violet."""
SOURCE_COLOURS = {"input": "#4D4D4D", "bias": "#8C8C8C"}
Dash = Literal["-", "--", ":", "-."]
LINE_STYLES: tuple[Dash, ...] = ("-", "--", ":", "-.")
"""Line styles of conditions; a panel shows no more conditions than there are styles."""
INK, GREY = "#1A1A1A", "#8A8A8A"
SHADES: Colormap = LinearSegmentedColormap.from_list("shades", ["#FFFFFF", "#CFE1EE", "#7FB2D3", "#2F7FB3"])
"""White to blue, light enough for dark text in every cell."""
Sharing = Literal["none", "all", "row"]
GRADE_MARKS = {"resolved": "✓", "supported": "(✓)", "cannot_tell": "?", "no_evidence": "–"}
"""Grade of a pathway -> sign that can be told apart without colours."""
GRADE_WORDS = {
    "resolved": "resolved",
    "supported": "supported, confounds possible",
    "cannot_tell": "cannot tell",
    "no_evidence": "no evidence",
}
"""Grade of a pathway -> words for readers."""
GRADE_KEY = "; ".join(f"{mark}: {GRADE_WORDS[grade]}" for grade, mark in GRADE_MARKS.items())
"""Explanation of the signs."""
MAX_SVG_CHARACTERS = 150_000
"""Pictures whose SVG is longer become PNG."""
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
    "hatch.color": "#B5B5B5",
    "hatch.linewidth": 0.7,
    "image.interpolation": "nearest",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
    "svg.fonttype": "path",
    # Identifiers of elements come from this salt instead of the clock, so that equal pictures are equal bytes.
    "svg.hashsalt": "curbd",
    # A region may be called $B$: text from users must not be read as a formula.
    "text.parse_math": False,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}


class Picture(NamedTuple):
    """A picture on the page.

    Attributes
    ----------
    source : the image as a data URI.
    width : width in CSS pixels.
    alt : description for readers who cannot see the image.
    caption : text below the image.
    """

    source: str
    width: int
    alt: str
    caption: str


@contextmanager
def report_style() -> Iterator[None]:
    """Apply the style of the report while figures are drawn and saved, whatever the style settings of the user are."""
    with matplotlib.style.context(MATPLOTLIB_STYLE, after_reset=True):
        yield


def picture(figure: Figure, alt: str, caption: str) -> Picture:
    """Convert a figure to a picture on the page, as SVG, or as PNG if the SVG would be large.

    Parameters
    ----------
    figure : the drawn figure.
    alt : description for readers who cannot see the image.
    caption : text below the image.

    Returns
    -------
    The picture.
    """
    width = round(figure.get_figwidth() * 96)
    layout = figure.get_layout_engine()
    if layout is not None:
        # The panels are laid out once; with a layout engine, every saving would draw the figure twice.
        layout.execute(figure)
        figure.set_layout_engine(None)
    drawn = _saved(figure, "svg")
    if len(drawn) <= MAX_SVG_CHARACTERS:
        return Picture(_uri("image/svg+xml", drawn), width, alt, caption)
    return Picture(_uri("image/png", _saved(figure, "png")), width, alt, caption)


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    # Date and version of matplotlib are left out, so that equal pictures are equal bytes.
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    return buffer.getvalue()


def _uri(media: str, content: bytes) -> str:
    return f"data:{media};base64,{base64.b64encode(content).decode('ascii')}"


def colours(regions: Iterable[str]) -> dict[str, str]:
    """Assign a colour to every region, for use throughout the report."""
    names = sorted(set(regions))
    if len(names) <= len(REGION_COLOURS):
        return dict(zip(names, REGION_COLOURS, strict=False))
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(names)))
    return {name: to_hex(shade) for name, shade in zip(names, shades, strict=True)}


def source_colour(source: str, palette: dict[str, str]) -> str:
    """Return the colour of a source: that of its region, or a grey for inputs and the bias."""
    return palette.get(source, SOURCE_COLOURS["bias" if source == "bias" else "input"])


def source_label(source: str) -> str:
    """Return the name of a source for headings: ``light (input)`` for ``input:light``."""
    return source.removeprefix("input:") + " (input)" if source.startswith("input:") else source


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


def number_text(value: float, digits: int = 2) -> str:
    """Format a number with ``digits`` significant digits; large numbers without an exponent, NaN as an empty string."""
    if not np.isfinite(value):
        return ""
    text = f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
    return text.replace("-", "−")


def r2_text(value: float) -> str:
    """Format an R2 with two decimals; zero without a sign, NaN as an empty string."""
    return "" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def wrapped_label(label: str, width: int = 15) -> str:
    """Break a label into lines of at most ``width`` characters, after separators."""
    lines = [""]
    for piece in re.findall(r".+?(?:[\s_:/>-]+|$)", label):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() if len(line.strip()) <= width + 3 else line.strip()[:width] + "…" for line in lines)


def percent_text(share: float) -> str:
    """Format a share as a percentage; ``<1 %`` for a share that is small and not zero."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def counted(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 region``, ``2 regions``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def legend_marker(marker: str, label: str, **look: Any) -> Line2D:
    """Construct a marker for a legend."""
    return Line2D([], [], linestyle="none", marker=marker, label=label, **look)


def zero_line(axes: Axes) -> None:
    """Draw a grey line at zero, behind everything else."""
    axes.axhline(0, color="#D0D0D0", linewidth=0.7, zorder=0)


def event_line(axes: Axes) -> None:
    """Draw a dotted line at t = 0, the event that trials are aligned to, if the panel has times before it."""
    low, high = axes.get_xlim()
    if low < 0 < high and axes.dataLim.x0 < 0:
        axes.axvline(0, color=GREY, linewidth=0.7, linestyle=":", zorder=0)


def matrix_cells(
    axes: Axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], largest: float
) -> AxesImage:
    """Draw a matrix as shaded cells.

    Parameters
    ----------
    axes : the panel.
    values : (row, column) numbers from 0 to ``largest``; cells with NaN are empty.
    rows, columns : names of the rows and columns.
    largest : number with the darkest shade.

    Returns
    -------
    The image of the cells.
    """
    image = axes.imshow(np.ma.masked_invalid(values), cmap=SHADES, vmin=0, vmax=largest or 1.0, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    if values.size <= 400:
        axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=2)
        axes.tick_params(which="minor", length=0)
    return image
