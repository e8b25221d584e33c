# Fit a model to a recording: the networks of all seeds, and their scores, in one job.
rule fit:
    input:
        recording=recording_of_fit,
        tables=constraint_tables,
    output:
        network=ensure("<results>/{recording}/{model}/network.nc", non_empty=True),
        fits="<results>/{recording}/{model}/fits.csv",
        region_scores="<results>/{recording}/{model}/region_scores.csv",
        unit_scores="<results>/{recording}/{model}/unit_scores.csv",
        constraints="<results>/{recording}/{model}/constraints.csv",
    log:
        "<results>/logs/fit/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/fit/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: fit_threads
    resources:
        mem_mb=fit_memory,
        runtime=fit_minutes,
    params:
        device=device_of_recording,
        program=fit_program,
        plan=PLAN_FILE,
        model=fit_model,
        version=RESULTS_VERSION,
    message:
        "Fit the model {wildcards.model} to {wildcards.recording}"
    shell:
        "{params.program} fit --recording {input.recording:q} --name {wildcards.model} --plan {params.plan:q}"
        " --threads {threads} --device {params.device}"
        " --out {output.network:q} --fits {output.fits:q} --region-scores {output.region_scores:q}"
        " --unit-scores {output.unit_scores:q} --constraints {output.constraints:q} > {log:q} 2>&1"


# Compute the latent variables of a low-rank network in every trial.
rule latents:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
    output:
        "<results>/{recording}/{model}/latents.parquet",
    log:
        "<results>/logs/latents/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/latents/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=fit_memory,
        runtime=minutes,
    params:
        device=device_of_recording,
        version=RESULTS_VERSION,
    message:
        "Compute the latents of {wildcards.recording} (model {wildcards.model})"
    shell:
        "lrfit latents --recording {input.recording:q} --network {input.network:q} --device {params.device}"
        " --out {output:q} > {log:q} 2>&1"
