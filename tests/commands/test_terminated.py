"""A step that the signal SIGTERM ends, as clusters do at the end of the time of a job, says so in its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curbd import cli
from tests.support.plans import write_plan
from tests.workflow.test_commands import status_of


def test_sigterm_is_status_143_and_one_line_and_other_programs_keep_their_handler(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert status_of(lambda arguments: os.kill(os.getpid(), signal.SIGTERM)) == 143
    assert capsys.readouterr().err.startswith("program: ended by the signal SIGTERM")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_fit_that_is_ended_says_where_its_finished_seeds_are(tmp_path: Path) -> None:
    recorded = tmp_path / "teacher.h5"
    assert cli.main(["teacher", "three_region", "--out", str(recorded)]) == 0
    plan = str(write_plan(tmp_path, recorded, models={"many": {"family": "full_rank", "seeds": list(range(500))}}))
    file = ["--name", "rec", "--path", str(recorded), "--format", "hdf5", "--plan", plan]
    assert cli.main(["ingest", *file, "--out", str(tmp_path / "recording.nc")]) == 0
    words = ["fit", "--recording", str(tmp_path / "recording.nc"), "--name", "many", "--plan", plan]
    words += ["--out", str(tmp_path / "network.nc"), "--fits", str(tmp_path / "fits.csv")]
    words += ["--region-scores", str(tmp_path / "regions.csv"), "--unit-scores", str(tmp_path / "units.csv")]
    program = "import sys; from curbd.cli import main; sys.exit(main())"
    fit = subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True)
    while fit.poll() is None and not any(tmp_path.glob(".network.nc.*/**/output.pkl")):
        time.sleep(0.1)
    fit.send_signal(signal.SIGTERM)
    log = fit.communicate()[1]
    assert fit.returncode == 143
    (kept,) = tmp_path.glob(".network.nc.*")
    *_, last = log.splitlines()
    assert "SIGTERM" in last
    assert f"what is finished is kept in {kept}, from where the same command goes on" in last
    assert "Traceback" not in log
