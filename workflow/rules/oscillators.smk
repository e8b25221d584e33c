# Describe the channels of a recording of fields as coupled oscillators.
rule oscillators:
    input:
        recording="<results>/{recording}/recording.nc",
    output:
        oscillators="<results>/{recording}/oscillators.csv",
        forces="<results>/{recording}/oscillator_forces.csv",
    log:
        "<results>/logs/oscillators/{recording}.log",
    benchmark:
        "<results>/benchmarks/oscillators/{recording}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=ingest_memory,
        runtime=minutes,
    params:
        version=RESULTS_VERSION,
    message:
        "Describe the channels of {wildcards.recording} as oscillators"
    shell:
        "curbd oscillators --recording {input.recording:q} --out {output.oscillators:q}"
        " --forces {output.forces:q} > {log:q} 2>&1"
