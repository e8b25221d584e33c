"""SVG of matplotlib in fewer characters, with the same look to half a point."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

Array = np.ndarray
FONTS = "'DejaVu Sans', Verdana, 'Segoe UI', Helvetica, Arial, sans-serif"
"""Fonts of figures; the fallbacks are not wider than the font with which the figures are laid out."""
INK_OF_PAGE = "var(--ink, #1a1a1a)"
"""Colour of texts, unless they have another colour."""
TOLERANCE = 3.0
"""Tenths of a point by which a line may move when its points are thinned out."""
MAX_IMAGE_COLOURS = 128
"""Images, such as many dots, have at most this number of colours."""
TICK = "fill:#8a8a8a;stroke:#8a8a8a;stroke-width:0.8"
"""Style of the mark of a tick where the mark is put, which repeats the style of the mark itself."""
IDENTIFIER = re.compile(r"(?<=[\"#])([mp][0-9a-f]{6})[0-9a-f]{4}\b")
"""Identifier of matplotlib, a letter and ten digits, of which the first six are enough."""
STRAIGHT_PATH = re.compile(r'(?<= d=")[MLz\d\s.-]+(?=")')
OF_THE_WHOLE_FIGURE = re.compile(
    r"\s*(stroke-linejoin: (miter|round)|stroke-linecap: (square|butt)|stroke-dashoffset: 0);?"
)
"""Properties that the element around a figure sets, or that nobody sees."""
IMAGE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def short_tag(tag: str) -> str:
    """Shorten a tag of an SVG file: paths, and properties that the whole figure has.

    Parameters
    ----------
    tag : the tag, from ``<`` to ``>``.
    """
    tag = STRAIGHT_PATH.sub(lambda path: short_path(path[0]), tag)
    tag = re.sub(r"\s*font-family: [^;\"]*;?", "", tag)
    tag = OF_THE_WHOLE_FIGURE.sub("", tag)
    tag = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", tag)
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    if tag.startswith("<text"):
        tag = tag.replace(f"fill: {INK_OF_PAGE}", "")
    if tag.startswith(("<text", "<use")):
        tag = re.sub(r"(\d\.\d)\d+", r"\1", tag)
    tag = re.sub(r'style="([^"]*)"', lambda style: f'style="{_short_style(style[1])}"', tag)
    if tag.startswith("<use"):
        tag = tag.replace(f'style="{TICK}"', "").replace(" />", "/>")
    return tag.replace(' style=""', "")


def _short_style(style: str) -> str:
    return re.sub(r"([:;])\s+", r"\1", style.strip().rstrip(";"))


def without_idle_groups(svg: str) -> str:
    """Remove groups without properties around a single element."""
    single = re.compile(r"<g>(<(?:use|path|image)\b[^>]*/>|<text\b[^>]*>[^<]*</text>)</g>")
    shorter = single.sub(r"\1", svg)
    while shorter != svg:
        svg, shorter = shorter, single.sub(r"\1", shorter)
    return svg


def with_short_images(svg: str) -> str:
    """Reduce the colours of the images in an SVG file."""
    return IMAGE.sub(lambda image: f"data:image/png;base64,{_with_few_colours(image[1])}", svg)


def _with_few_colours(encoded: str) -> str:
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    buffer = io.BytesIO()
    few = image.convert("RGBA").quantize(MAX_IMAGE_COLOURS, method=Image.Quantize.FASTOCTREE)
    few.save(buffer, format="png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def short_path(path: str) -> str:
    """Write a path of straight lines in steps of a tenth of a point, without points that a reader cannot see.

    Parameters
    ----------
    path : absolute moves, lines and ends of shapes, such as ``M 1.00 2.00 L 3.00 4.00 z``.

    Returns
    -------
    The path, each point relative to the point before.
    """
    words: list[str] = []
    for part in re.findall(r"M[^M]*", path):
        numbers = np.array([float(number) for number in re.findall(r"-?\d[\d.]*", part)])
        points = simplified(np.round(10 * numbers.reshape(-1, 2)), TOLERANCE)
        start = " ".join(_tenths(int(number)) for number in points[0])
        words.append(f"M{start}{_lines(np.diff(points, axis=0).astype(int), is_closed='z' in part)}")
    return re.sub(r" -", "-", "".join(words))


def _lines(steps: Array, *, is_closed: bool) -> str:
    """Write steps (step, 2) from point to point; an upright rectangle has the shortest form."""
    if is_closed and len(steps) in (3, 4) and not steps[[0, 2], 1].any() and not steps[1, 0]:
        across, down = int(steps[0, 0]), int(steps[1, 1])
        if across == -steps[2, 0]:
            return f"h{_tenths(across)}v{_tenths(down)}h{_tenths(-across)}z"
    lines = " ".join(f"{_tenths(x)} {_tenths(y)}" for x, y in steps.tolist())
    return f"l{lines}" * bool(lines) + "z" * is_closed


def simplified(points: Array, tolerance: float) -> Array:
    """Thin out the points of a line (Ramer, 1972; Douglas and Peucker, 1973).

    Parameters
    ----------
    points : (point, 2) points of the line.
    tolerance : largest distance by which the line may move.
    """
    kept = np.zeros(len(points), bool)
    kept[[0, -1]] = True
    parts = [(0, len(points) - 1)]
    while parts:
        first, last = parts.pop()
        between = points[first + 1 : last]
        if not len(between):
            continue
        along, off = points[last] - points[first], between - points[first]
        length = float(np.hypot(*along))
        # The distance from the straight line; of a line that returns to its start, the distance from the start.
        away = np.abs(along[0] * off[:, 1] - along[1] * off[:, 0]) / length if length else np.hypot(*off.T)
        farthest = int(away.argmax())
        if away[farthest] > tolerance:
            middle = first + 1 + farthest
            kept[middle] = True
            parts += [(first, middle), (middle, last)]
    return points[kept]


def _tenths(number: int) -> str:
    """A number of tenths without a zero before the point: ``-.5``."""
    return f"{number / 10:g}".replace("0.", ".") if abs(number) < 10 else f"{number / 10:g}"
