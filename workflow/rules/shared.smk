# Fit one network to the recordings of several animals.
rule shared:
    input:
        recordings=expand(
            "<results>/{recording}/recording.nc", recording=PLAN.shared_recordings()
        ),
        synapses=synapses,
    output:
        network="<results>/shared/network.nc",
        weights="<results>/shared/shared_weights.parquet",
        pathways="<results>/shared/shared_pathways.csv",
    log:
        "<results>/logs/shared.log",
    benchmark:
        "<results>/benchmarks/shared.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=ingest_memory,
        runtime=minutes,
    params:
        synapses=synapses_option,
        version=RESULTS_VERSION,
    message:
        "Fit one network to all animals"
    shell:
        "curbd shared --recordings {input.recordings:q} {params.synapses}"
        " --out {output.network:q} --weights {output.weights:q} --pathways {output.pathways:q} > {log:q} 2>&1"
