"""Answer the questions of every set of recordings of other groups, and write the table, the figure and the page.

The folder of the recordings is ``--truth``, or else the folder ``truth`` beside the recordings that the tests use
(``CURBD_RECORDINGS``). A set whose files are not there is skipped. Sets that the table already answers are computed
again with ``--again`` only.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks import command
from benchmarks.independent import (
    animals,
    background,
    delays,
    four_areas,
    graphs,
    raphe,
    silencing,
    silent_units,
    slow_scans,
    trained_areas,
    visual,
    worms,
)
from benchmarks.independent.answers import TruthSet
from benchmarks.independent.page import write_page
from curbd.storage import RESULTS_VERSION
from curbd.storage.whole_files import whole_file

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
SETS = (
    TruthSet("graphs", "Network*.h5", graphs.answers),
    TruthSet("four_areas", "four_areas_*.h5", four_areas.answers),
    TruthSet("worm", "worm_*", worms.answers),
    TruthSet("animals", "", animals.answers),
    TruthSet("raphe", "opto_fmri_drn.h5", raphe.answers),
    TruthSet("delays", "mdlag_sim*.h5", delays.answers),
    TruthSet("visual", "v1v2_stim*.h5", visual.answers),
    TruthSet("background", "", background.answers),
    TruthSet("silencing", "", silencing.answers),
    TruthSet("silent_units", "", silent_units.answers),
    TruthSet("trained_areas", "", trained_areas.answers),
    TruthSet("slow_scans", "", slow_scans.answers),
)


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark.

    Parameters
    ----------
    words : arguments of the command line; None takes them from `sys.argv`.
    """
    options = _parser().parse_args(words)
    out = command.folder(options)
    table = out / "independent" / "answers.csv"
    stored = pd.read_csv(table) if table.exists() else pd.DataFrame({"set": []})
    answered = set() if options.again else set(stored["set"])
    with command.measuring():
        for each in SETS:
            if each.name not in options.sets or each.name in answered:
                continue
            files = each.found(options.truth)
            if each.files and not files:
                log.info("%s: skipped, because %s has no file %s", each.name, options.truth, each.files)
                continue
            started = time.perf_counter()
            new = pd.DataFrame(each.answers(files))
            new.insert(0, "set", each.name)
            new["results_version"] = RESULTS_VERSION
            stored = _with(stored, new)
            with whole_file(table) as temporary:
                stored.to_csv(temporary, index=False, float_format="%.5g")
            log.info("%s: %d answers, %.0f s", each.name, len(new), time.perf_counter() - started)
    if table.exists():
        write_page(out, stored)


def _with(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Answers in the order of the sets; new answers replace all that were stored of the same set."""
    kept = stored[~stored["set"].isin(new["set"])]
    order = [each.name for each in SETS]
    both = pd.concat([kept, new], ignore_index=True) if len(kept) else new
    return both.sort_values("set", key=lambda names: names.map(order.index), kind="stable")


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("independent", __doc__, "independent.md and independent/")
    beside = Path(os.environ.get("CURBD_RECORDINGS", ROOT / ".." / "shared" / "recordings")).parent / "truth"
    parser.add_argument("--truth", type=Path, default=beside.resolve(), help="folder of the recordings")
    names = [each.name for each in SETS]
    parser.add_argument("--sets", nargs="+", choices=names, default=names, help="sets to answer (default: all)")
    return parser


if __name__ == "__main__":
    main()
