# Describe the mechanism of a low-rank network: attractors, geometry, populations, and transmission by condition.
rule mechanism:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
    output:
        dynamics="<results>/{recording}/{model}/dynamics.csv",
        field="<results>/{recording}/{model}/field.parquet",
        geometry="<results>/{recording}/{model}/geometry.csv",
        populations="<results>/{recording}/{model}/populations.csv",
        transmission="<results>/{recording}/{model}/transmission.csv",
    log:
        "<results>/logs/mechanism/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/mechanism/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=whole_memory,
        runtime=fit_minutes,
    params:
        device=device_of_recording,
        version=RESULTS_VERSION,
    message:
        "Describe the mechanism of {wildcards.recording} (model {wildcards.model})"
    shell:
        "lrfit mechanism --recording {input.recording:q} --network {input.network:q}"
        " --threads {threads} --device {params.device}"
        " --dynamics {output.dynamics:q} --field {output.field:q} --geometry {output.geometry:q}"
        " --populations {output.populations:q} --transmission {output.transmission:q} > {log:q} 2>&1"
