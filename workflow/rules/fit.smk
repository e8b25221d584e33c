# A recording becomes a network: all seeds of a model in one job.
rule fit:
    input:
        recording=recording_of_fit,
    output:
        network=ensure("<results>/{recording}/{model}/network.nc", non_empty=True),
        fits="<results>/{recording}/{model}/fits.csv",
        region_scores="<results>/{recording}/{model}/region_scores.csv",
        unit_scores="<results>/{recording}/{model}/unit_scores.csv",
    log:
        "<results>/logs/fit/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/fit/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=fit_memory,
        runtime=fit_minutes,
    params:
        program=fit_program,
        model=fit_model,
        version=RESULTS_VERSION,
    shell:
        "{params.program} fit --recording {input.recording} --name {wildcards.model} --model {params.model:q}"
        " --threads {threads}"
        " --out {output.network} --fits {output.fits} --region-scores {output.region_scores}"
        " --unit-scores {output.unit_scores} > {log} 2>&1"


# Latent variables of a low-rank network.
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
        version=RESULTS_VERSION,
    shell:
        "lrfit latents --recording {input.recording} --network {input.network} --out {output} > {log} 2>&1"
