# Compare the currents of every pathway, and the latents of low-rank networks, between conditions.
rule contrasts:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
        currents="<results>/{recording}/{model}/currents.nc",
        latents=latents_of_fit,
    output:
        table="<results>/{recording}/{model}/contrasts.csv",
        timecourses="<results>/{recording}/{model}/contrast_timecourses.parquet",
    log:
        "<results>/logs/contrasts/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/contrasts/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=whole_memory,
        runtime=minutes,
    params:
        plan=PLAN_FILE,
        device=device_of_recording,
        contrasts=as_json(PLAN.config.contrasts),
        version=RESULTS_VERSION,
    message:
        "Compare the currents of {wildcards.recording} between conditions (model {wildcards.model})"
    shell:
        "curbd contrasts --recording {input.recording:q} --network {input.network:q} --currents {input.currents:q}"
        " --latents {input.latents:q} --threads {threads} --device {params.device} --plan {params.plan:q}"
        " --out {output.table:q} --timecourses {output.timecourses:q} > {log:q} 2>&1"
