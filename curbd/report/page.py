"""The pages of the report, from their templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from curbd.progress import tracked
from curbd.report import questions
from curbd.report.code_words import coded
from curbd.report.contrast_figures import NEGATIVE_DIFFERENCE, SCALE_OF_DIFFERENCES
from curbd.report.model_page import model_page
from curbd.report.origin import definitions, provenance
from curbd.report.outlook import Outlook, outlook
from curbd.report.page_colours import dark_rules
from curbd.report.picture import Picture
from curbd.report.reading import RunResults
from curbd.report.recording_page import recording_page
from curbd.report.region_effects import effects_in_hz
from curbd.report.wording import GRADE_KEY, GRADE_MARKS, GRADE_WORDS

TEMPLATE_FOLDER = Path(__file__).parent / "templates"
SCRIPTS = ("readout.js", "report.js", "choice.js")
"""Scripts of every page, in the order in which they need one another."""
OVERVIEW = "report.html"
QUESTIONS = {
    "pathways": "Which region drives which",
    "experiments": "What experiments would do",
    "contrasts": "What differs between conditions",
    "group": "All sessions together",
}
"""Name of the page of a question -> the question."""
MAX_DIAGRAMS = 12
"""Overviews of more recordings have no diagrams."""


def pages(run: RunResults) -> Iterator[tuple[str, str]]:
    """Render all pages of the report, one after the other.

    Yields
    ------
    Path of a page relative to the overview, and its HTML. The overview comes last.
    """
    render = _renderer(run)
    outlooks: list[Outlook] = []
    in_hz: questions.EffectsInHz = {}
    diagrams: dict[str, Picture | None] = {}
    results = str(run.folder)
    for name in tracked(run.names, "recordings in the report"):
        recorded = run.recording(name)
        about = outlook(recorded, run.provenance.get("remarks", {}).get(name, []))
        outlooks.append(about)
        values = recording_page(recorded, about, run.palette, results)
        if len(run.names) <= MAX_DIAGRAMS:
            diagrams[name] = values["diagrams"][about.model]
        yield _path_of(name), render("recording.html", **values, up="../../", here=name)
        for fit in recorded.fits:
            in_hz[name, fit.name] = effects_in_hz(fit)
            values = model_page(name, fit, run.palette, results)
            yield _path_of(name, fit.name), render("model.html", **values, recording=name, up="../../../", here="")
    tables = {
        "pathways": questions.pathway_tables(run),
        "experiments": questions.experiment_tables(run, in_hz),
        "contrasts": questions.contrast_tables(run),
    }
    for question, across in tables.items():
        page = render("question.html", question=question, across=across, up="../", here=question)
        yield f"report/{question}.html", page
    yield "report/group.html", render("group.html", group=questions.group_page(run), up="../", here="group")
    overview = render(
        "overview.html",
        outlooks=outlooks,
        diagrams=diagrams,
        left_out=list(run.provenance.get("left_out", {}).items()),
        definitions=definitions(run),
        provenance=provenance(run),
        up="",
        here="overview",
    )
    yield OVERVIEW, overview


def _renderer(run: RunResults) -> Callable[..., str]:
    """A function that renders a template with the given values, and with what all pages need."""
    environment, shared = _environment(), _shared(run)

    def render(template: str, **values: Any) -> str:
        page = environment.get_template(template).render(**shared, **values)
        return page.replace("</style>", f"{dark_rules(page)}</style>", 1)

    return render


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = coded
    return environment


def _shared(run: RunResults) -> dict[str, Any]:
    """What all pages need: style, script, and the addresses of all pages."""
    return {
        "css": (TEMPLATE_FOLDER / "report.css").read_text(encoding="utf-8"),
        "script": "\n".join((TEMPLATE_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS),
        "questions": QUESTIONS,
        "addresses": {name: quote(_path_of(name)) for name in run.names},
        "grade_key": GRADE_KEY,
        "scale_of_differences": SCALE_OF_DIFFERENCES,
        "negative_difference": NEGATIVE_DIFFERENCE,
        "grade_marks": GRADE_MARKS,
        "grade_words": GRADE_WORDS,
        "truth_known": "true_r2" in run.tables["pathways"],
    }


def _path_of(recording: str, model: str = "") -> str:
    """Path of the page of a recording, or of one of its models, relative to the overview."""
    return f"report/recordings/{recording}/{model}.html" if model else f"report/recordings/{recording}.html"
