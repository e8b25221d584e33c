# Collect the tables of all recordings and models into one table of each kind.
rule tables:
    input:
        recordings=expand(
            "<results>/{recording}/recording.nc", recording=PLAN.recordings
        ),
        units=expand(
            "<results>/{recording}/{table}.csv",
            recording=PLAN.recordings,
            table=["units", "regions"],
        ),
        networks=per_fit("network.nc"),
        fits=per_fit("fits.csv"),
        region_scores=per_fit("region_scores.csv"),
        unit_scores=per_fit("unit_scores.csv"),
        constraints=per_fit("constraints.csv"),
        currents=per_fit("currents.parquet"),
        pathways=per_fit("pathways.csv"),
        windows=(
            per_fit("pathway_windows.csv") if PLAN.config.verdict_windows_s else []
        ),
        nulls=per_fit("nulls.csv"),
        balance=per_fit("balance.parquet"),
        contrasts=per_fit("contrasts.csv") if PLAN.config.contrasts else [],
        contrast_timecourses=(
            per_fit("contrast_timecourses.parquet") if PLAN.config.contrasts else []
        ),
        changes=(
            per_fit("changes.csv", family="full_rank") if PLAN.config.changes else []
        ),
        inactivations=per_fit("inactivations.csv", experiments=True),
        timecourses=per_fit("inactivation_timecourses.parquet", experiments=True),
        unit_effects=per_fit("inactivation_units.parquet", experiments=True),
        comparisons=per_fit(
            "perturbation_comparison.csv", perturbed=True, experiments=True
        ),
        interactions=per_fit("interactions.csv", experiments=True),
        latents=per_fit("latents.parquet", family="low_rank"),
        mechanism=[
            table
            for file in MECHANISM
            for table in per_fit(file, family="low_rank", level="unit")
        ],
        degeneracy=(
            expand("<results>/{recording}/degeneracy.csv", recording=PLAN.recordings)
            if PLAN.config.degeneracy
            else []
        ),
        oscillators=(
            expand(
                "<results>/{recording}/{table}.csv",
                recording=PLAN.recordings,
                table=OSCILLATOR_TABLES,
            )
            if PLAN.config.oscillators
            else []
        ),
        gates=(
            expand(
                "<results>/{recording}/{table}.csv",
                recording=PLAN.recordings,
                table=GATE_TABLES,
            )
            if PLAN.config.gates
            else []
        ),
        shared=(
            expand(
                "<results>/shared/{file}",
                file=["network.nc", "shared_weights.parquet", "shared_pathways.csv"],
            )
            if PLAN.config.shared is not None
            else []
        ),
        dynamics=(
            [table for name in DYNAMICS_TABLES for table in per_fit(f"{name}.csv")]
            if PLAN.config.dynamics != "none"
            else []
        ),
    output:
        expand(
            "<results>/tables/{table}.csv",
            table=[
                "fits",
                "region_scores",
                "constraints",
                "units",
                "regions",
                "pathways",
                "pathway_windows",
                "nulls",
                "contrasts",
                "changes",
                "degeneracy",
                "inactivations",
                "perturbation_comparison",
                "interactions",
                "shared_pathways",
            ],
        ),
        expand("<results>/tables/{file}", file=MECHANISM),
        expand("<results>/tables/{table}.csv", table=DYNAMICS_TABLES),
        expand("<results>/tables/{table}.csv", table=OSCILLATOR_TABLES),
        expand("<results>/tables/{table}.csv", table=GATE_TABLES),
        expand(
            "<results>/tables/{table}.parquet",
            table=[
                "currents",
                "balance",
                "contrast_timecourses",
                "latents",
                "inactivation_timecourses",
                "inactivation_units",
                "shared_weights",
            ],
        ),
        "<results>/tables/provenance.json",
        "<results>/tables/ro-crate-metadata.json",
    log:
        "<results>/logs/tables.log",
    benchmark:
        "<results>/benchmarks/tables.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=table_memory,
        runtime=minutes,
    params:
        results=folder_of_results,
        plan=PLAN_FILE,
        recordings=list(PLAN.recordings),
        config=as_json(PLAN.config),
        version=RESULTS_VERSION,
    message:
        "Collect the tables of all recordings"
    shell:
        "curbd tables --results {params.results:q} --plan {params.plan:q} > {log:q} 2>&1"


# Combine the recordings over sessions and animals.
rule group:
    input:
        rules.tables.output,
    output:
        "<results>/tables/group.csv",
    log:
        "<results>/logs/group.log",
    benchmark:
        "<results>/benchmarks/group.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=table_memory,
        runtime=minutes,
    params:
        results=folder_of_results,
        version=RESULTS_VERSION,
    message:
        "Combine the recordings over sessions and animals"
    shell:
        "curbd group --tables {params.results:q}/tables --out {output:q} > {log:q} 2>&1"


# Write the report: an overview, and beside it a page for every question, every recording and every model.
rule report:
    input:
        rules.tables.output,
        rules.group.output,
        currents=per_fit("currents.nc"),
    output:
        overview=report(
            "<results>/tables/report.html",
            caption="../report/report.rst",
            category="Overview",
        ),
        pages=report(
            directory("<results>/tables/report"),
            patterns=["{page}.html"],
            caption="../report/page.rst",
            category="Questions, recordings and models",
            labels={"page": "{page}"},
        ),
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/benchmarks/report.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=table_memory,
        runtime=minutes,
    params:
        results=folder_of_results,
        version=RESULTS_VERSION,
    message:
        "Write the report"
    shell:
        "curbd report --tables {params.results:q}/tables --results {params.results:q} --out {output.overview:q} > {log:q} 2>&1"
