# Describe the units of a recording as gated units.
rule gates:
    input:
        recording="<results>/{recording}/recording.nc",
    output:
        gates="<results>/{recording}/gates.csv",
        currents="<results>/{recording}/gate_currents.csv",
    log:
        "<results>/logs/gates/{recording}.log",
    benchmark:
        "<results>/benchmarks/gates/{recording}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=ingest_memory,
        runtime=minutes,
    params:
        plan=PLAN_FILE,
        tau_s=lambda wildcards: PLAN.recordings[wildcards.recording].settings.tau_s,
        version=RESULTS_VERSION,
    message:
        "Describe the units of {wildcards.recording} as gated units"
    shell:
        "curbd gates --recording {input.recording:q} --plan {params.plan:q} --out {output.gates:q}"
        " --currents {output.currents:q} > {log:q} 2>&1"
