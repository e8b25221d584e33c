# What silencing does, predicted by the fitted network.
rule inactivate:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
        checked="<results>/{recording}/experiments.json",
    output:
        "<results>/{recording}/{model}/inactivations.csv",
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
        version=RESULTS_VERSION,
    shell:
        "curbd inactivate --recording {input.recording} --network {input.network} --threads {threads}"
        " --experiments {params.experiments:q} --out {output} > {log} 2>&1"
