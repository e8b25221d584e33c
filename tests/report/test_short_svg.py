"""Figures in few characters look as they did."""

from __future__ import annotations

import re

import numpy as np

from curbd.report.short_svg import TOLERANCE, short_path, short_tag, simplified


def test_a_thinned_line_stays_near_every_point() -> None:
    x = np.arange(400.0)
    points = np.stack([x, 80 * np.sin(x / 40) + np.random.default_rng(0).normal(0, 1, 400)], axis=1)
    kept = simplified(points, TOLERANCE)
    assert len(kept) < 60
    assert np.abs(np.interp(x, *kept.T) - points[:, 1]).max() <= 2 * TOLERANCE
    assert (kept[[0, -1]] == points[[0, -1]]).all()


def test_paths_keep_their_shapes() -> None:
    assert short_path("M 1.00 2.00 \nL 3.00 4.04 \n") == "M1 2l2 2"
    assert short_path("M 10 20 \nL 30 20 \nL 30 5 \nL 10 5 \nL 10 20 \nz\n") == "M10 20h20v-15h-20z"
    two = short_path("M 0 0 L 5 9 L 10 0 z M 20 0 L 25 9 L 30 0 z")
    assert [len(re.findall(part, two)) for part in ("M", "z")] == [2, 2]


def test_texts_keep_their_own_colour_and_size() -> None:
    tag = (
        '<text style="font-size: 8px; font-family: \'DejaVu Sans\'; fill: #d55e00" x="1.234" '
        'transform="rotate(-0 1 2)">'
    )
    assert short_tag(tag) == '<text style="font-size:8px;fill:#d55e00" x="1.2">'
