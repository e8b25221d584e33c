# Test which pathways changed their weights between conditions or days.
rule changes:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
    output:
        "<results>/{recording}/{model}/changes.csv",
    log:
        "<results>/logs/changes/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/changes/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=whole_memory,
        runtime=minutes,
    params:
        plan=PLAN_FILE,
        device=device_of_recording,
        changes=as_json(PLAN.config.changes),
        version=RESULTS_VERSION,
    message:
        "Test which pathways of {wildcards.recording} changed (model {wildcards.model})"
    shell:
        "curbd changes --recording {input.recording:q} --network {input.network:q}"
        " --threads {threads} --device {params.device} --plan {params.plan:q} --out {output:q} > {log:q} 2>&1"
