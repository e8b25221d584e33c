"""Steps start without the libraries that they do not use."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys

import curbd.commands.remarks, curbd.report, curbd.inactivation.check, curbd.group, lrfit.mechanism.latents

print("without a network:", *sorted({"torch", "sklearn", "numba", "scipy.stats"} & set(sys.modules)))

import curbd.estimators.streamed, curbd.scores.score, curbd.pathways.judge, curbd.inactivation, curbd.teachers
import lrfit.estimators.fitting

print("with a network:", *sorted({"pynwb", "sklearn", "scipy.stats", "matplotlib.pyplot"} & set(sys.modules)))
"""


def test_steps_start_without_slow_libraries_that_they_do_not_use() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["without a network:", "with a network:"]
