"""Recordings of other groups beside which something is known that no estimator is told.

One module for each kind of recording asks the question that the recording can answer. Every answer stands beside the
answers of plain baselines, which see the same training trials, beside a null and beside a ceiling::

    python -m benchmarks.independent --truth ../shared/truth
"""
