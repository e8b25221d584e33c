"""How far the answers can be trusted, measured on networks whose currents are known.

``python -m benchmarks.recovery``   the ladder: what every estimator recovers, from easy recordings to hopeless ones
``python -m benchmarks.verdicts``   how often a verdict is wrong
``python -m benchmarks.coverage``   how often a 95 % interval holds the true current
``python -m benchmarks.speed``      time against the published algorithm
``python -m benchmarks.inactivation``   whether in-silico experiments come true (``docs/inactivation.md``)

Each of the others writes its numbers to ``docs/recovery/`` and its tables into ``docs/recovery.md``.
"""
