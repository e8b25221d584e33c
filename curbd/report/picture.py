"""Pictures for the pages of the report: figures as SVG that follows the colours of the page, or as PNG."""

from __future__ import annotations

import base64
import html
import io
import re
import zlib
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from curbd.report.drawing import HOVER, Drawing
from curbd.report.page_colours import NAMED, page_colour
from curbd.report.short_svg import FONTS, IDENTIFIER, INK_OF_PAGE, short_tag, with_short_images, without_idle_groups

MAX_SVG_CHARACTERS = 250_000
"""Pictures whose SVG is longer become PNG, so that the page of a recording stays small."""
CURVE, BAND, PANEL = "curve:", "band:", "panel:"
"""Starts of the identifiers of lines, of the intervals around them, and of panels with lines."""
POINTS_PER_INCH = 72
"""Points of an SVG file of matplotlib in an inch."""
OPAQUE_AREA = re.compile(r"<path(?!.*(fill: none|opacity))", re.DOTALL)
"""Tag of an area that hides what is behind it."""


class Picture(NamedTuple):
    """A picture on a page.

    Attributes
    ----------
    name : name of the figure, see `curbd.report.figures`.
    title : heading of the picture.
    svg : the SVG element; '' if the SVG would be too long.
    png : the image as a data URI; '' if there is an SVG.
    width : width in CSS pixels.
    alt : description for readers who cannot see the image.
    caption : text below the image.
    code : line of Python that draws the figure from the results.
    """

    name: str
    title: str
    svg: str
    png: str
    width: int
    alt: str
    caption: str
    code: str


def picture(name: str, title: str, drawing: Drawing, code: str) -> Picture:
    """Convert a drawn figure to a picture on a page.

    Parameters
    ----------
    name : name of the figure; on a page, every picture has another name.
    title : heading of the picture.
    drawing : the figure.
    code : line of Python that draws the figure.

    Returns
    -------
    The picture: SVG, or PNG if the SVG would be long.
    """
    figure = drawing.figure
    width = round(figure.get_figwidth() * 96)
    lay_out(figure)
    for axes in figure.axes:
        _name_curves(axes, figure)
    svg = _for_page(saved(figure, "svg").decode("utf-8"), name, drawing.alt, width)
    png = ""
    if len(svg) > MAX_SVG_CHARACTERS:
        svg, png = "", f"data:image/png;base64,{base64.b64encode(saved(figure, 'png')).decode('ascii')}"
    return Picture(
        name=name,
        title=title,
        svg=svg,
        png=png,
        width=width,
        alt=drawing.alt,
        caption=drawing.caption,
        code=code,
    )


def lay_out(figure: Figure) -> None:
    """Lay the panels out once; with a layout engine, every saving would draw the figure twice."""
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine(None)


def _name_curves(axes: Axes, figure: Figure) -> None:
    """Name the labelled lines of a panel, the areas of the same labels, and the panel with its scale.

    The script of the page computes values from the drawn lines and the scale of their panel.
    """
    lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    if not lines or axes.get_xscale() != "linear" or axes.get_yscale() != "linear":
        return
    for line in lines:
        line.set_gid(f"{CURVE}{line.get_label()}")
    for area in axes.collections:
        if not str(area.get_label()).startswith("_"):
            area.set_gid(f"{BAND}{area.get_label()}")
    width, height = POINTS_PER_INCH * figure.get_size_inches()
    box = axes.get_position()
    # Ordinates of SVG grow downwards.
    edges = (box.x0 * width, box.x1 * width, (1 - box.y0) * height, (1 - box.y1) * height)
    scale = " ".join(f"{number:.6g}" for number in (*axes.get_xlim(), *axes.get_ylim(), *edges))
    abscissa = next((panel.get_xlabel() for panel in [axes, *figure.axes] if panel.get_xlabel()), "")
    axes.set_gid(f"{PANEL}{scale}|{abscissa}|{axes.get_label()}")


def saved(figure: Figure, kind: str) -> bytes:
    """Return the bytes of a figure as ``svg`` or ``png``; equal figures give equal bytes."""
    buffer = io.BytesIO()
    # Date and version of matplotlib are left out, so that equal pictures are equal bytes.
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, dpi=90, metadata=metadata)
    return buffer.getvalue()


def _for_page(svg: str, name: str, alt: str, width: int) -> str:
    """Make an SVG file of matplotlib part of a page.

    Identifiers get a word for the figure in front, because they are unique in a file and not on a page. Colours become
    variables of the style sheet. Texts under the pointer become titles, and names of curves and scales of panels become
    attributes, which the script of the page reads.
    """
    svg = svg[svg.index("<svg") :]
    # Inside of a page, a style sheet would apply to the whole page.
    svg = re.sub(r"\s*<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL)
    # The end of the tag closes the title.
    svg = re.sub(rf'<g id="{HOVER}([^"]*)"', r"<g><title>\1</title", svg)
    svg = re.sub(rf'<g id="{PANEL}([^"|]*)\|([^"|]*)\|', r'<g data-scale="\1" data-abscissa="\2" data-panel="', svg)
    svg = re.sub(rf'<g id="({CURVE}|{BAND})', lambda kind: f'<g data-{kind[1][:-1]}="', svg)
    figure = f"f{zlib.crc32(name.encode()):x}"
    svg = IDENTIFIER.sub(r"\1", with_short_images(svg))
    svg = re.sub(r"<[^>]*>", lambda tag: _tag_for_page(tag[0], figure), svg)
    svg = without_idle_groups(re.sub(r">\s+<", "><", svg))
    look = f'class="plot" stroke-linejoin="round" fill="{INK_OF_PAGE}" font-family="{FONTS}"'
    opening = f'<svg role="img" aria-label="{html.escape(alt)}" {look} width="{width}"'
    view = re.search(r'viewBox="[^"]*"', svg)
    body = svg[svg.index(">") + 1 :]
    box = view[0] if view else ""
    links = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"{opening} {box} {links}>{body.rstrip()}"


def _tag_for_page(tag: str, figure: str) -> str:
    """Shorten a tag, and replace identifiers and colours in the tag; names and scales for the script are kept."""
    if tag.startswith("<g data-"):
        return tag
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    tag = re.sub(r'(\bid="|url\(#|xlink:href="#)([^")]*)', rf"\g<1>{figure}\g<2>", tag)
    # Opaque areas keep their colour, because text may stand on them.
    is_line_or_text = not OPAQUE_AREA.match(tag)
    tag = re.sub(r"#[0-9a-f]{6}\b", lambda colour: _of_page(colour[0], is_line_or_text), tag)
    return short_tag(tag)


def _of_page(colour: str, is_line_or_text: bool) -> str:
    return page_colour(colour) if is_line_or_text or colour in NAMED else colour
