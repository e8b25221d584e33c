"""What a check of the files of a run finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RunCheck:
    """Mistakes and remarks from a check of the files of a run.

    Attributes
    ----------
    of_recording : name of a recording -> mistakes because of which this recording, and no other, cannot be made.
    of_study : mistakes about all recordings together, such as a label that no recording has.
    remarks : facts that the user may not intend.
    """

    of_recording: Mapping[str, Sequence[str]] = field(default_factory=dict)
    of_study: Sequence[str] = ()
    remarks: Sequence[str] = ()

    @property
    def mistakes(self) -> list[str]:
        """Return all mistakes, one line each."""
        return [*self.of_study, *(line for lines in self.of_recording.values() for line in lines)]

    @property
    def failing(self) -> list[str]:
        """Return the names of the recordings that cannot be made."""
        return [name for name, lines in self.of_recording.items() if lines]

    @property
    def leaves_nothing(self) -> bool:
        """Return True if the run cannot begin.

        The run cannot begin if there is a mistake about all recordings together, or if no recording can be made.
        """
        return bool(self.of_study) or (bool(self.of_recording) and len(self.failing) == len(self.of_recording))


def joined(checks: Iterable[RunCheck]) -> RunCheck:
    """Join several checks of the same run, in their order."""
    checks = list(checks)
    of_recording: dict[str, list[str]] = {}
    for check in checks:
        for name, lines in check.of_recording.items():
            of_recording.setdefault(name, []).extend(lines)
    return RunCheck(
        of_recording,
        [line for check in checks for line in check.of_study],
        [remark for check in checks for remark in check.remarks],
    )
