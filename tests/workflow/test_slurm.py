"""The workflow on a real SLURM of one node (tests/slurm/node.sh starts one) gives what it gives locally."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.workspace import assert_same_tables, make_workspace, snakemake


def slurm_answers() -> bool:
    """Whether a SLURM controller answers."""
    if shutil.which("sinfo") is None:
        return False
    return subprocess.run(["sinfo", "--noheader"], capture_output=True, timeout=60).returncode == 0


pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(not slurm_answers(), reason="no SLURM controller answers; .ci/run starts one"),
]

# What a lab writes into its copy of profiles/site.yaml. The node has no accounting and little memory: its jobs are
# asked for through squeue, and ask for no more than it has.
SITE = """
default-resources: {slurm_account: test, mem_mb: 1000, runtime: 10}
slurm-status-command: squeue
slurm-init-seconds-before-status-checks: 2
seconds-between-status-checks: 1
"""


def test_the_cluster_gives_the_tables_of_the_local_run(tmp_path: Path) -> None:
    local, cluster = make_workspace(tmp_path / "local"), make_workspace(tmp_path / "cluster")
    snakemake(local)
    (cluster / "site.yaml").write_text(SITE, encoding="utf-8")
    options = ["--workflow-profile", "slurm", "--profile", "site.yaml", "--latency-wait", "5"]
    printed = snakemake(cluster, *options)
    assert_same_tables(local / "results", cluster / "results")
    assert printed.count("has been submitted with SLURM jobid") > 0
    assert "Nothing to be done" in snakemake(cluster)
