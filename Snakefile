# The workflow, run as `snakemake --cores N` from the root of the repository.
# Snakemake takes no default target from an included file, so the default target is declared here.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
    message:
        "Everything is made"
