"""Steps that compute with no network start without the libraries that do."""

from __future__ import annotations

import subprocess
import sys


def test_tables_report_and_experiments_start_without_torch() -> None:
    program = (
        "import sys, curbd.commands.remarks, curbd.report, curbd.inactivation.check; "
        "print(*sorted({'torch', 'sklearn', 'numba'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
