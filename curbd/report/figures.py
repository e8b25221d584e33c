"""All figures of the report by their names, for its pages and for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes

from curbd.errors import UserError, did_you_mean
from curbd.report import (
    agreement_figure,
    attractor_figure,
    change_figure,
    contrast_figures,
    current_figures,
    dose_figure,
    effect_figures,
    effect_matrix,
    fit_figures,
    group_figures,
    interaction_figures,
    latent_figures,
    mechanism_figures,
    model_comparison,
    network_figure,
    null_figure,
    oscillator_figure,
    recording_figures,
    truth_figures,
    verdict_figure,
)
from curbd.report.drawing import Drawing, Palette, report_style
from curbd.report.picture import Picture, picture
from curbd.report.reading import ModelResults, RecordingResults, RunResults, read_run

TITLES = {
    "activity": "Recorded activity",
    "scores": "Scores and baselines",
    "model_comparison": "Shares and grades in every model",
    "oscillators": "Forces between channels as oscillators",
    "network": "Pathways between regions",
    "verdicts": "Verdict on every pathway",
    "currents": "Currents over time",
    "example_units": "Three units",
    "nulls": "Every pathway compared with its nulls",
    "agreement": "Agreement between fits",
    "recovery": "Recovered and true currents of every pathway",
    "true_currents": "Recovered and true currents of single units",
    "effects": "Effects of experiments",
    "effect_timecourses": "Effects of experiments over time",
    "doses": "Effects against the dose",
    "direct_effects": "Direct and total effects",
    "windows": "Effects in successive windows",
    "true_effects": "Predicted and true effects",
    "measured_effects": "Predicted and measured effects",
    "latents": "Latents over time",
    "vector_field": "Vector field of the latents",
    "attractors": "Attractors, and where inputs lead",
    "populations": "Loadings of the units",
    "ranks": "Ranks of the pathways",
    "signed_currents": "Currents through positive and through negative weights",
}
"""Name of a figure -> its heading."""
Draw = Callable[[], Drawing | None]
"""Draws one figure; the result is None if the results have nothing to show."""


def figures_of_recording(recorded: RecordingResults, palette: Palette) -> dict[str, Draw]:
    """Return name -> drawing function of the figures about a recording and all its models."""
    return {
        "activity": partial(recording_figures.activity, recorded.recording, palette),
        "scores": partial(fit_figures.scores, recorded.fits),
        "model_comparison": partial(model_comparison.figure, recorded),
        "oscillators": partial(oscillator_figure.forces, recorded, palette),
    }


def figures_of_model(fit: ModelResults, palette: Palette) -> dict[str, Draw]:
    """Return name -> drawing function of the figures about a model of a recording, in the order of the page."""
    functions: Mapping[str, Callable[[ModelResults, Palette], Drawing | None]] = {
        "network": network_figure.diagram,
        "verdicts": verdict_figure.verdicts,
        "currents": current_figures.matrix,
        "example_units": fit_figures.unit_traces,
        "nulls": null_figure.nulls,
        "agreement": agreement_figure.agreement,
        "recovery": truth_figures.recovery,
        "true_currents": truth_figures.traces,
        "effects": effect_matrix.matrix,
        "effect_timecourses": effect_figures.timecourses,
        "doses": dose_figure.doses,
        "direct_effects": interaction_figures.direct_and_total,
        "windows": interaction_figures.windows,
        "true_effects": effect_figures.agreement,
        "measured_effects": effect_figures.measured,
        "latents": latent_figures.trajectories,
        "vector_field": mechanism_figures.landscape,
        "attractors": attractor_figure.graph,
        "populations": mechanism_figures.populations,
        "ranks": mechanism_figures.ranks,
        "signed_currents": current_figures.signed_matrix,
    }
    draws: dict[str, Draw] = {name: partial(function, fit, palette) for name, function in functions.items()}
    for number, (rows, courses) in enumerate(contrast_figures.compared(fit), start=1):
        draws[f"contrast_{number}"] = partial(contrast_figures.matrix, rows, palette)
        draws[f"contrast_{number}_timecourses"] = partial(contrast_figures.timecourses, rows, courses, fit, palette)
    for number, rows in enumerate(change_figure.compared(fit), start=1):
        draws[f"change_{number}"] = partial(change_figure.matrix, rows, palette)
    return draws


def figures_of_group(run: RunResults) -> dict[tuple[str, str], Draw]:
    """Return model and quantity -> drawing function of the figures about all recordings together."""
    group = run.tables["group"]
    return {
        (model, str(quantity)): partial(group_figures.forest, model, str(quantity), rows, run.sessions)
        for model in run.models
        for quantity, rows in group[group["model"] == model].groupby("quantity", sort=True)
        if group_figures.is_drawn(rows)
    }


def title_of(figure: str) -> str:
    """Return the heading of a figure."""
    if figure in TITLES:
        return TITLES[figure]
    if figure.startswith("change_"):
        return "Changes of the weights"
    return "Differences of the currents over time" if figure.endswith("_timecourses") else "Differences of the currents"


def plot(
    results: Path | str, figure: str, *, recording: str = "", model: str = "", regions: Sequence[str] = ()
) -> list[Axes]:
    """Draw a figure of the report from the results of a run.

    Parameters
    ----------
    results : folder of the results, the key `results` of the config.
    figure : name of the figure; the report says the name under every figure.
    recording : name of the recording; not needed for figures about all recordings, which have the name of a quantity
        of the table ``group``.
    model : name of the model; not needed for figures about all models of a recording.
    regions : regions and other sources, such as ``input:light``, to which figures of pathways and their currents are
        restricted; none for all.

    Returns
    -------
    The panels of the figure; ``plot(...)[0].figure`` is the figure, which can be changed and saved.

    Raises
    ------
    UserError : there is no such figure, recording or model, or the results have nothing to show in the figure.
    """
    folder = Path(results)
    run = read_run(folder / "tables", folder)
    draws = _figures_of(run, recording, model, regions) if recording else _figures_over_recordings(run, model)
    with report_style():
        drawing = draws[_known(figure, draws, "figure")]()
    if drawing is None:
        raise UserError(f"The results of {recording} {model} have nothing to show in the figure {figure}.")
    return list(drawing.figure.axes)


def _figures_of(run: RunResults, recording: str, model: str, regions: Sequence[str]) -> dict[str, Draw]:
    recorded = run.recording(_known(recording, run.names, "recording"))
    draws = figures_of_recording(recorded, run.palette)
    if model:
        fits = {fit.name: fit for fit in recorded.fits}
        fit = fits[_known(model, fits, "model")]
        draws |= figures_of_model(_restricted(fit, regions) if regions else fit, run.palette)
    return draws


def _figures_over_recordings(run: RunResults, model: str) -> dict[str, Draw]:
    draws = figures_of_group(run)
    if not draws:
        raise UserError.at("recording", found="nothing", expected=f"one of {', '.join(run.names)}")
    model = _known(model, dict.fromkeys(name for name, _ in draws), "model")
    return {quantity: draw for (name, quantity), draw in draws.items() if name == model}


def _restricted(fit: ModelResults, regions: Sequence[str]) -> ModelResults:
    """The results of a model about pathways between the given regions and other sources."""
    known = sorted({*fit.tables["pathways"]["target"], *fit.tables["pathways"]["source"]})
    for name in regions:
        _known(name, known, "region")
    tables = {
        name: table[table["target"].isin(regions) & table["source"].isin(regions)]
        if {"target", "source"} <= set(table)
        else table
        for name, table in fit.tables.items()
    }
    return fit._replace(tables=tables)


def pictures(draws: Mapping[str, Draw], results: str, recording: str, model: str = "") -> dict[str, Picture]:
    """Draw all figures that the results have something to show in.

    Parameters
    ----------
    draws : name of a figure -> drawing function.
    results : folder of the results, for the lines of code below the pictures.
    recording, model : names of the recording and of the model; '' for figures about all models of a recording.

    Returns
    -------
    Name of a figure -> its picture. Identifiers on the page start with the names of the recording and of the model.
    """
    drawn = {}
    prefix = "-".join(filter(None, (recording, model)))
    for name, draw in draws.items():
        drawing = draw()
        if drawing is not None:
            code = plot_call(results, name, recording, model)
            drawn[name] = picture(f"{prefix}-{name}", title_of(name), drawing, code)
    return drawn


def plot_call(results: str, figure: str, recording: str, model: str) -> str:
    """Return the line of Python that draws a figure."""
    of_recording = f", recording={recording!r}" if recording else ""
    of_model = f", model={model!r}" if model else ""
    return f"curbd.plot({results!r}, {figure!r}{of_recording}{of_model})"


def _known(name: str, names: Mapping[str, object] | list[str], kind: str) -> str:
    if name not in names:
        hint = did_you_mean(name, names)
        expected = f"one of {', '.join(names)}"
        raise UserError.at(kind, found=f'"{name}"', expected=expected, todo=hint or "choose one of these names")
    return name
