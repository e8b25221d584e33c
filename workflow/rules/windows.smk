# Judge every pathway in parts of the trial: every time window is a recording of its own.
rule windows:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
    output:
        "<results>/{recording}/{model}/pathway_windows.csv",
    log:
        "<results>/logs/windows/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/windows/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: fit_threads
    resources:
        mem_mb=fit_memory,
        runtime=fit_minutes,
    params:
        program=fit_program,
        device=device_of_recording,
        plan=PLAN_FILE,
        model=fit_model,
        windows=json.dumps(PLAN.config.verdict_windows_s),
        version=RESULTS_VERSION,
    message:
        "Judge the pathways of {wildcards.recording} in parts of the trial (model {wildcards.model})"
    shell:
        "{params.program} windows --recording {input.recording:q} --network {input.network:q}"
        " --threads {threads} --device {params.device} --plan {params.plan:q} --out {output:q} > {log:q} 2>&1"
