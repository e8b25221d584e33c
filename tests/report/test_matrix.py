"""Matrices can be read: labels are large enough and apart, text stands out from its cell, and the best is shown."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from curbd.report.drawing import colours, report_style
from curbd.report.matrix import DETAIL_POINTS, MAX_MATRIX_NAMES, SHADES, draw_matrix, names_of_matrix
from curbd.report.page_colours import CELL_INK, luminance

PIXELS_PER_POINT = 96 / 72
"""Pixels of a page in a point of a figure."""


def test_text_stands_out_from_the_darkest_cell() -> None:
    cell, ink = luminance(to_hex(SHADES(1.0))), luminance(CELL_INK)
    # The contrast that WCAG 2.2 asks of small text at level AAA.
    assert (cell + 0.05) / (ink + 0.05) >= 7
    assert DETAIL_POINTS * PIXELS_PER_POINT >= 10


def test_labels_of_the_largest_matrix_are_legible_and_apart() -> None:
    names = [f"region with a name {number}" for number in range(MAX_MATRIX_NAMES)]
    with report_style():
        figure, panel = draw_matrix(np.ones((40, 40)), names, names, cell=None, largest=1.0)
        FigureCanvasAgg(figure).draw()
    for labels in (panel.get_xticklabels(), panel.get_yticklabels()):
        assert min(label.get_fontsize() for label in labels) * PIXELS_PER_POINT >= 9
        boxes = [label.get_window_extent() for label in labels]
        assert not any(first.overlaps(second) for first, second in itertools.pairwise(boxes))


def test_a_matrix_of_many_regions_shows_those_with_the_best_evidence() -> None:
    regions = [f"r{number:02d}" for number in range(67)]
    pathways = pd.DataFrame(itertools.product(regions, regions), columns=["target", "source"])
    best = pathways["source"].eq("r66") & pathways["target"].eq("r65")
    ordered = pd.concat([pathways[best], pathways[~best]])
    targets, sources, remark = names_of_matrix(ordered, colours(regions))
    assert targets == sources == sorted(targets)
    assert len(targets) == MAX_MATRIX_NAMES
    assert {"r65", "r66"} <= set(targets)
    assert remark.startswith(" 40 of 67 regions")
    few = ordered[ordered["target"].isin(regions[:3]) & ordered["source"].isin(regions[:3])]
    assert names_of_matrix(few, colours(regions)) == (regions[:3], regions[:3], "")
