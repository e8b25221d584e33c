"""How far the answers can be trusted, measured on networks whose answers are known.

``python -m benchmarks.recovery``       the ladder: what every estimator recovers, from easy recordings to hopeless ones
``python -m benchmarks.verdicts``       how often a verdict is wrong
``python -m benchmarks.coverage``       how often a 95 % interval holds the true current
``python -m benchmarks.speed``          time against the published algorithm
``python -m benchmarks.scale``          time and memory of every step against the size of a recording
``python -m benchmarks.steps``          time and memory of every command on one large recording
``python -m benchmarks.streamed``       fits of recordings that are larger than memory, in chunks
``python -m benchmarks.nulls``          p-values against plain refits
``python -m benchmarks.force``          one pass of `force` against plain NumPy
``python -m benchmarks.inactivation``   whether in-silico experiments come true
``python -m benchmarks.contrasts``      whether the currents that differ between conditions are found, and no others
``python -m benchmarks.changes``        whether the pathway that changed between two days is named, and no other
``python -m benchmarks.biology``        what signs, distances and densities add, and whether wrong ones are noticed
``python -m benchmarks.unit_models_adaptation``  what the adaptation of units adds, and whether it is refused
``python -m benchmarks.unit_models_time_constants``  whether time constants of single units or regions are found
``python -m benchmarks.unit_models_nonlinearity``  whether relu, softplus and exponential units are recognised
``python -m benchmarks.unit_models_oscillators``  whether oscillators are found behind noisy fields
``python -m benchmarks.unit_models_gates``  whether gates are found from the states of units alone
``python -m benchmarks.low_rank``       whether low-rank networks and their rank are recovered
``python -m benchmarks.mechanism``      whether the mechanism of a low-rank network is read correctly
``python -m benchmarks.populations``    whether latents of whole populations are recovered
``python -m benchmarks.faults``         whether a run that is killed, or has no room, ends with the same tables

The first four write numbers to ``docs/recovery/`` and tables into ``docs/recovery.md``; ``scale``, ``steps``,
``streamed``, ``nulls`` and ``force`` write into ``docs/scale.md``, ``faults`` into ``docs/files.md``, and those about
unit models into ``docs/units.md``. Each of the others writes numbers to ``docs/NAME/`` or ``docs/NAME.csv`` and tables
into ``docs/NAME.md``, where NAME is that of the benchmark.
"""
