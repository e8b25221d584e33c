"""Settings of the report."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from curbd.settings.section import Section

Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]


class ReportSettings(Section):
    """How the figures of the report show the regions."""

    regions: list[str] = []
    """Order of the regions in all figures, for example from the front to the back of the brain. Regions that are not
    listed follow in alphabetical order."""
    colours: dict[str, Colour] = {}
    """Region -> colour in all figures, as `#rrggbb`. The other regions have colours that people with any colour vision
    can distinguish."""
