# Collect the tables of all recordings and models into one table of each kind.
rule tables:
    input:
        files_to_collect(),
    output:
        [
            f"<results>/tables/{table.file}"
            for name, table in TABLES.items()
            if name not in FROM_COLLECTED
        ],
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
