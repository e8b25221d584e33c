# What the experiments do, predicted by the fitted network.
rule inactivate:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
        pathways="<results>/{recording}/{model}/pathways.csv",
        checked="<results>/{recording}/experiments.json",
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
    threads: 1
    resources:
        mem_mb=fit_memory,
        runtime=fit_minutes,
    params:
        experiments=experiments,
        bench=bench,
        populations=populations_option,
        version=RESULTS_VERSION,
    shell:
        "curbd inactivate --recording {input.recording} --network {input.network} --pathways {input.pathways}"
        " --threads {threads} --experiments {params.experiments:q} --bench {params.bench:q}"
        " {params.populations}"
        " --out {output.table} --timecourses {output.timecourses} --units {output.units}"
        " --interactions {output.interactions} > {log} 2>&1"


# The same experiment where the recording holds it: what was predicted beside what was measured.
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
    shell:
        "curbd compare --recording {input.recording} --inactivations {input.inactivations} --units {input.units}"
        " --out {output} > {log} 2>&1"
