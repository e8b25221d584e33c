# Front door: `snakemake --cores N` from the root of the repository.
# An include alone would make nothing, so the default target is declared here.
include: "workflow/Snakefile"


rule default:
    default_target: True
    input:
        rules.all.input,
