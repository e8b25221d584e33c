# Split the current of every unit by source, average the currents by region, and judge every pathway.
rule currents:
    input:
        recording=recording_of_fit,
        network="<results>/{recording}/{model}/network.nc",
    output:
        currents=ensure("<results>/{recording}/{model}/currents.nc", non_empty=True),
        table="<results>/{recording}/{model}/currents.parquet",
        pathways="<results>/{recording}/{model}/pathways.csv",
        nulls="<results>/{recording}/{model}/nulls.csv",
        balance="<results>/{recording}/{model}/balance.parquet",
    log:
        "<results>/logs/currents/{recording}/{model}.log",
    benchmark:
        "<results>/benchmarks/currents/{recording}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: step_threads
    resources:
        mem_mb=fit_memory,
        runtime=fit_minutes,
    params:
        program=network_program,
        device=device_of_recording,
        seeds=PLAN.config.stored_currents,
        further_nulls=str(PLAN.config.further_nulls).lower(),
        version=RESULTS_VERSION,
    message:
        "Divide the current into every region of {wildcards.recording} by source, and judge every pathway (model {wildcards.model})"
    shell:
        "{params.program} currents --recording {input.recording:q} --network {input.network:q}"
        " --threads {threads} --device {params.device} --seeds {params.seeds} --out {output.currents:q} --table {output.table:q}"
        " --pathways {output.pathways:q} --nulls {output.nulls:q} --balance {output.balance:q}"
        " --further-nulls {params.further_nulls} > {log:q} 2>&1"
