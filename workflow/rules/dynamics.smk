# Describe the dynamics of a fit of any family: attractors, Lyapunov exponents, transitions, phase locking.
rule dynamics:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
    output:
        tables=expand(
            "<results>/{{recording}}/{{model}}/{table}.csv", table=DYNAMICS_TABLES
        ),
        graphml="<results>/{recording}/{model}/attractors.graphml",
        json="<results>/{recording}/{model}/attractors.json",
    log:
        "<results>/logs/dynamics/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/dynamics/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=whole_memory,
        runtime=fit_minutes,
    params:
        program=network_program,
        inputs=PLAN.config.dynamics,
        folder=lambda wildcards, output: str(Path(output.json).parent),
        device=device_of_recording,
        version=RESULTS_VERSION,
    message:
        "Describe the dynamics of {wildcards.recording} (model {wildcards.model})"
    shell:
        "{params.program} dynamics --recording {input.recording:q} --network {input.network:q}"
        " --threads {threads} --device {params.device} --inputs {params.inputs}"
        " --out {params.folder:q} > {log:q} 2>&1"
