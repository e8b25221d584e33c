# make help   list what can be made
PYTHON ?= python3
CORES ?= 2
RESULTS = results
# The CPU build of PyTorch for Linux without an NVIDIA card: the plain one brings several gigabytes of GPU packages. Only
# torch is looked for there. A machine that does not reach that index takes the usual build.
TORCH_INDEX := $(shell [ "`uname`" != Linux ] || command -v nvidia-smi > /dev/null || \
  echo --extra-index-url https://download.pytorch.org/whl/cpu)
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

export PATH := $(abspath .venv/bin):$(PATH)
export MPLBACKEND := Agg

.PHONY: demo test lint docs site unlock help

help: ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

demo: .venv/installed ## install the packages and run the workflow on a simulated recording whose currents are known
	snakemake --cores $(CORES)
	@echo
	@echo "Tables: $(RESULTS)/tables/   what each column means: results/README.md"
	@echo "Report: $(RESULTS)/tables/report.html   open it in a browser"

# One thread for each process: the tests run side by side.
test: export OMP_NUM_THREADS := 1
test: .venv/installed ## run the tests
	pytest -n $(CORES) --dist loadfile

lint: .venv/installed ## check style, types and the format of the workflow
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

docs: .venv/installed ## write the schemas, config/README.md and results/README.md from the code
	python -m curbd.documents

site: .venv/installed ## build the documentation site in build/site; a broken link or notebook is an error
	$(PIP) -e '.[docs]'
	sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . build/site
	@echo "Site: build/site/index.html   open it in a browser"

unlock: .venv/installed ## release the lock that a killed run left behind
	snakemake --unlock

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is `$(PYTHON) --version 2>&1`; try: make PYTHON=python3.12 ..."; exit 1; }
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	$(PIP) --no-deps --retries 0 $(TORCH_INDEX) torch
	$(PIP) -e '.[test,dev,remote]'
	@touch $@
