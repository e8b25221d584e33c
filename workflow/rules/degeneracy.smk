# Compare the fits of all models of units to one recording in pairs.
rule degeneracy:
    input:
        recording="<results>/{recording}/recording.nc",
        networks=networks_to_compare,
    output:
        "<results>/{recording}/degeneracy.csv",
    log:
        "<results>/logs/degeneracy/{recording}.log",
    benchmark:
        "<results>/benchmarks/degeneracy/{recording}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=ingest_memory,
        runtime=minutes,
    params:
        version=RESULTS_VERSION,
    message:
        "Compare all fits of {wildcards.recording} in pairs"
    shell:
        "curbd degeneracy --recording {input.recording:q} --networks {input.networks:q}"
        " --out {output:q} > {log:q} 2>&1"
