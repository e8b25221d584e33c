"""What can be said about a recording, and what to do next: the first thing that a reader sees."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from curbd.report import cautions, findings, model_comparison
from curbd.report.reading import RecordingResults
from curbd.report.wording import GRADE_WORDS, counted

MORE_TRIALS = "times as many trials"
"""Words of a need that names a number of trials."""
MAX_NEEDS = 3
"""Largest number of different needs in the list of what to do next."""


class Outlook(NamedTuple):
    """What can be said about a recording.

    Attributes
    ----------
    name : name of the recording.
    subject, session : animal and session.
    units, regions : numbers of fitted units and of regions.
    model : the model to read first.
    score : its score on held-out trials.
    grades : grade -> number of pathways between regions in that model.
    sentence : what can be said.
    next_steps : what to do next.
    warnings : what to know before a number is believed.
    best : the verdict of the model to read first.
    others : the verdicts of all other models, in the order of the config.
    """

    name: str
    subject: str
    session: str
    units: int
    regions: int
    model: str
    score: str
    grades: dict[str, int]
    sentence: str
    next_steps: list[str]
    warnings: list[str]
    best: findings.Summary
    others: list[findings.Summary]


def outlook(recorded: RecordingResults, remarks: list[str]) -> Outlook:
    """Collect what can be said about a recording.

    Parameters
    ----------
    recorded : the results of the recording.
    remarks : remarks of the run on the recording.
    """
    best = model_comparison.recommended(recorded)
    between = findings.between_regions(best.tables["pathways"])
    counts = Counter(between["grade"])
    summaries = {fit.name: findings.summarise(fit) for fit in recorded.fits}
    attrs = recorded.recording.attrs
    return Outlook(
        name=recorded.name,
        subject=str(attrs.get("subject", recorded.name)),
        session=str(attrs.get("session", recorded.name)),
        units=int(recorded.units["kept"].sum()),
        regions=len(recorded.regions),
        model=best.name,
        score=model_comparison.score_text(best),
        grades={grade: counts[grade] for grade in GRADE_WORDS},
        sentence=summaries[best.name].sentence,
        next_steps=_next_steps(recorded),
        warnings=[*remarks, *cautions.warnings(recorded)],
        best=summaries[best.name],
        others=[summary for name, summary in summaries.items() if name != best.name],
    )


def _next_steps(recorded: RecordingResults) -> list[str]:
    """What to do next, by the model to read first: how to use what is resolved, and what would resolve more."""
    best = model_comparison.recommended(recorded)
    between = findings.between_regions(best.tables["pathways"])
    if between.empty:
        return ["Record a second region, or name regions in the file: with one region there is no pathway to judge."]
    steps = []
    grades = Counter(between["grade"])
    by_skewness = int((between["resolved_by"] == "skewness").sum())
    by_currents = grades["resolved"] - by_skewness
    if by_currents:
        steps.append(
            f"Read the currents of the {counted(by_currents, 'resolved pathway')}, and the effects of "
            "experiments that pass through them."
        )
    if by_skewness:
        steps.append(
            f"Report existence, direction and sign of the {counted(by_skewness, 'pathway')} resolved by skewness, and "
            "test them with a perturbation: their currents, and experiments that pass through them, are not known."
        )
    if grades["supported"]:
        steps.append(
            f"Treat the {counted(grades['supported'], 'supported pathway')} as candidates: report them with their "
            "confounds, and test them in other sessions or with a perturbation."
        )
    missing = between.loc[between["grade"].isin(["supported", "cannot_tell"]), "needed"].fillna("")
    needs = Counter(need for text in missing for need in text.split("; ") if need and MORE_TRIALS not in need)
    steps += [
        f"To resolve {counted(number, 'more pathway')}, the model needs {need}."
        for need, number in needs.most_common(MAX_NEEDS)
    ]
    trials = sum(MORE_TRIALS in text for text in missing)
    if trials:
        steps.append(
            f"{counted(trials, 'pathway')} would need more trials; the column “needed” of each pathway says how many."
        )
    return steps or ["No change of the model or of the recording is known that would resolve these pathways."]
