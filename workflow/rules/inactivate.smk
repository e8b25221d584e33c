# Predict the effects of the experiments with the fitted networks.
rule inactivate:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
        pathways="<results>/{recording}/{model}/pathways.csv",
        experiments="<results>/{recording}/experiments.json",
        tables=unit_tables,
        populations=populations,
    output:
        table="<results>/{recording}/{model}/inactivations.csv",
        timecourses="<results>/{recording}/{model}/inactivation_timecourses.parquet",
        units="<results>/{recording}/{model}/inactivation_units.parquet",
        interactions="<results>/{recording}/{model}/interactions.csv",
    log:
        "<results>/logs/inactivate/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/inactivate/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: step_threads
    resources:
        mem_mb=fit_memory,
        runtime=fit_minutes,
    params:
        program=network_program,
        device=device_of_recording,
        populations=populations_option,
        version=RESULTS_VERSION,
    message:
        "Run the experiments on {wildcards.recording} (model {wildcards.model})"
    shell:
        "{params.program} inactivate --recording {input.recording:q} --network {input.network:q} --pathways {input.pathways:q}"
        " --threads {threads} --device {params.device} --experiments {input.experiments:q} {params.populations}"
        " --out {output.table:q} --timecourses {output.timecourses:q} --units {output.units:q}"
        " --interactions {output.interactions:q} > {log:q} 2>&1"


# Compare predicted effects with measured effects, for recordings with perturbed trials.
rule compare:
    input:
        recording=recording_of_fit,
        inactivations="<results>/{recording}/{model}/inactivations.csv",
        units="<results>/{recording}/{model}/inactivation_units.parquet",
    output:
        "<results>/{recording}/{model}/perturbation_comparison.csv",
    log:
        "<results>/logs/compare/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/compare/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=table_memory,
        runtime=minutes,
    params:
        version=RESULTS_VERSION,
    message:
        "Compare predictions with the real perturbations of {wildcards.recording} (model {wildcards.model})"
    shell:
        "curbd compare --recording {input.recording:q} --inactivations {input.inactivations:q} --units {input.units:q}"
        " --out {output:q} > {log:q} 2>&1"
