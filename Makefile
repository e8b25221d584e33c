# make demo   from nothing to tables and a report
# make test   the tests
PYTHON ?= python3
CORES ?= 2
RESULTS = results

export PATH := $(abspath .venv/bin):$(PATH)
export MPLBACKEND := Agg

.PHONY: demo test lint docs unlock help

help: ## say what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: .venv/installed ## install, write a recording whose currents are known, run the whole workflow on it
	snakemake --cores $(CORES)
	@echo
	@echo "Tables: $(RESULTS)/tables/   what each column means: results/README.md"
	@echo "Report: $(RESULTS)/tables/report.html   open it in a browser"

test: .venv/installed ## run the tests
	pytest

lint: .venv/installed ## check style, types and the workflow
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

docs: .venv/installed ## write schemas, key tables and the data dictionary from the code
	python -m curbd.documents

unlock: .venv/installed ## after a killed run: release the lock, then make demo or snakemake again
	snakemake --unlock

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is `$(PYTHON) --version 2>&1`; try: make PYTHON=python3.12 ..."; exit 1; }
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,dev]'
	@touch $@
