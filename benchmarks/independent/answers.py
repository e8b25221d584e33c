"""One answer to one question about one recording, and the tables of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

Role = Literal["model", "baseline", "chance", "ceiling"]


class Answer(NamedTuple):
    """How well one method answers one question about one recording.

    Attributes
    ----------
    question : what was asked, with the measure of the answer.
    case : recording or part of a recording.
    method : model, baseline, null or ceiling that answers.
    role : ``model`` for networks of this project and their tables; ``baseline`` for plain methods on the same training
        trials; ``chance`` for the value that an answer without information exceeds in one of twenty cases; ``ceiling``
        for the value that a perfect answer would reach.
    value : the measure; NaN where a method has no answer.
    low, high : interval of the measure; NaN where none was computed.
    """

    question: str
    case: str
    method: str
    role: Role
    value: float
    low: float = float("nan")
    high: float = float("nan")


class TruthSet(NamedTuple):
    """One kind of recording of other groups.

    Attributes
    ----------
    name : name in the table and on the command line.
    files : glob pattern of the files in the folder of the truth; '' for recordings that are simulated on the spot.
    answers : function (paths of the files) -> answers.
    """

    name: str
    files: str
    answers: Callable[[list[Path]], Iterator[Answer]]

    def found(self, folder: Path) -> list[Path]:
        """The files of the set in a folder, sorted by name."""
        return sorted(folder.glob(self.files)) if self.files else []
