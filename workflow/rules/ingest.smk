localrules:
    demo_recording,
    experiments,


# Write the recording of the demo: three regions of a simulated network whose currents are known.
rule demo_recording:
    output:
        DEMO,
    log:
        "<results>/logs/demo_recording.log",
    benchmark:
        "<results>/benchmarks/demo_recording.tsv"
    conda:
        "../../environment.yml"
    message:
        "Write the recording of the demo"
    shell:
        "curbd teacher demo --out {output:q} > {log:q} 2>&1"


# Turn the file of a recording into rates on bins, with regions, inputs and trials.
rule ingest:
    input:
        file=file_of_recording,
        tables=region_tables,
    output:
        recording=ensure("<results>/{recording}/recording.nc", non_empty=True),
        units="<results>/{recording}/units.csv",
        regions="<results>/{recording}/regions.csv",
    log:
        "<results>/logs/ingest/{recording}.log",
    benchmark:
        "<results>/benchmarks/ingest/{recording}.tsv"
    priority: 200
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=ingest_memory,
        runtime=minutes,
    params:
        path=place_of_recording,
        format=recording_format,
        plan=PLAN_FILE,
        settings=recording_settings,
        version=RESULTS_VERSION,
    message:
        "Read {wildcards.recording}: regions, units, trials, bins"
    shell:
        "curbd ingest --name {wildcards.recording} --path {params.path:q} --format {params.format}"
        " --plan {params.plan:q}"
        " --out {output.recording:q} --units {output.units:q} --regions {output.regions:q} > {log:q} 2>&1"


# Ingest the file of a recording again for a model with its own bin width, smoothing or scaling.
rule ingest_for_model:
    input:
        file=file_of_recording,
        tables=region_tables,
    output:
        recording=ensure("<results>/{recording}/{model}/recording.nc", non_empty=True),
    log:
        "<results>/logs/ingest_for_model/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/ingest_for_model/{recording}/{model}.tsv"
    priority: 200
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=ingest_memory,
        runtime=minutes,
    params:
        path=place_of_recording,
        format=recording_format,
        plan=PLAN_FILE,
        settings=recording_settings,
        version=RESULTS_VERSION,
    message:
        "Read {wildcards.recording} with the bins of the model {wildcards.model}"
    shell:
        "curbd ingest --name {wildcards.recording} --path {params.path:q} --format {params.format}"
        " --plan {params.plan:q} --model {wildcards.model} --out {output.recording:q} > {log:q} 2>&1"


# Choose the experiments that can be done on a recording. The priority lets this rule report mistakes before hours of fits.
# The fits do not take its output as an input: new inactivations would then run all fits again, and with ancient()
# snakemake 9.27 would leave fits out.
rule experiments:
    input:
        recording="<results>/{recording}/recording.nc",
        tables=unit_tables,
    output:
        "<results>/{recording}/experiments.json",
    log:
        "<results>/logs/experiments/{recording}.log",
    benchmark:
        "<results>/benchmarks/experiments/{recording}.tsv"
    priority: 100
    conda:
        "../../environment.yml"
    params:
        plan=PLAN_FILE,
        experiments=experiments_of_recording,
        version=RESULTS_VERSION,
    message:
        "Choose the experiments that are possible on {wildcards.recording}"
    shell:
        "curbd experiments --recording {input.recording:q} --plan {params.plan:q} --out {output:q} > {log:q} 2>&1"
