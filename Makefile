# make run        create the environment, execute the notebooks, write HTML and a results table
# make test       create the environment; library, types, style, and every exercise notebook once in the smoke profile
# make test-full  every solution once in the quick profile, real data, browser, no network
# make weekly     Colab's versions for all, all notebooks on real data, full grids, the lowest and the newest packages
# make lab        open JupyterLab                                   make notebooks  build notebooks/ from notebooks/src/
# make colab      run the notebooks with Colab's package versions in an empty folder
# make goldens    run the solutions with five seeds and record what every golden number should be
# make slides     build the slides                                  make wheel      write the kit as one file to dist/
# make site       build the website in runs/site; EXECUTED=runs/... names a run whose outputs it shows
# make lock       write requirements.lock                           make clean
#
# Variables: PYTHON=python3.12        the interpreter to build on (3.11 or newer)
#            TORCH_INDEX=URL          an extra package index, for a CPU-only torch
#            PROFILE=smoke|quick|full DATASET=NAME  NOTEBOOKS="00 01"   what make run executes, and of make colab
#            JOBS=2                     notebooks that make run executes at a time (default: what cores and memory allow)
PYTHON ?= python3
PROFILE ?= quick
DATASET ?=
NOTEBOOKS ?=
JOBS ?=
EXECUTED ?=
TORCH_INDEX ?=

BIN := .venv/bin
STAMP := .venv/.installed
INSTALL = -c requirements.lock $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e ".[lab,test]"
# on shared cores a second spinning thread costs more than it gives
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
# one process a core, up to four: a notebook takes up to 1.5 GB
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal --doctest-modules tutorial_lib tutorial_workshop recipes tests

.PHONY: help run test test-full weekly lab notebooks goldens colab slides site site-environment wheel lock clean environment
help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

run: $(STAMP)
	@$(BIN)/tutorial run $(NOTEBOOKS) $(if $(JOBS),--jobs $(JOBS)) --profile $(PROFILE) $(if $(DATASET),--dataset $(DATASET))

test: $(STAMP)
	$(PYTEST) -m "not full and not real and not browser and not weekly"

test-full: $(STAMP)
	$(PYTEST) -m "(full or real or browser) and not weekly"

weekly: $(STAMP)
	$(PYTEST) -m weekly
	$(BIN)/python -m tools.colab
	$(BIN)/python -m tools.versions lowest
	$(BIN)/python -m tools.versions newest

colab: $(STAMP)
	$(BIN)/python -m tools.colab --profile $(PROFILE) $(NOTEBOOKS)

lab: $(STAMP)
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

notebooks: $(STAMP)
	$(BIN)/python -m tools.builder

goldens: $(STAMP)
	@mkdir -p runs && rm -f runs/goldens.jsonl
	@for seed in 0 1 2 3 4; do TUTORIAL_RESULTS=runs/goldens.jsonl $(BIN)/tutorial run $(NOTEBOOKS) --solutions --seed $$seed \
	  --profile $(PROFILE) $(if $(DATASET),--dataset $(DATASET)) --out runs/goldens-$$seed || exit 1; done
	$(BIN)/python -m tools.goldens runs/goldens.jsonl

slides: $(STAMP)
	$(BIN)/python slides/build.py
	$(BIN)/python slides/instructor/pack.py

# an environment of its own: nothing of Sphinx is needed to learn or to test
site: site-environment
	$(BIN)/python -m tools.site_pages runs/site-pages $(EXECUTED)
	.venv-site/bin/sphinx-build -q -b html runs/site-pages runs/site
	@echo "Website: runs/site/index.html"

site-environment: .venv-site/.installed

.venv-site/.installed: site/requirements.txt $(STAMP)
	@$(BIN)/python -m venv .venv-site && .venv-site/bin/python -m pip install --quiet -r site/requirements.txt
	@touch $@

wheel: $(STAMP)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/tutorial_lib-*.whl

lock: $(STAMP)
	$(BIN)/python -m tools.lock > requirements.lock.new && mv requirements.lock.new requirements.lock

clean:
	rm -rf .venv runs .pytest_cache .ruff_cache .hypothesis

environment: $(STAMP)

# the stamp comes last: an installation that broke off is taken up again by the next call
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not: install it, or name it, as in: make PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || \
	  { echo "$(PYTHON) could not make an environment: install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing into .venv: a few minutes; the default Linux torch is several GB, TORCH_INDEX (see README) names a smaller one"
	@{ command -v uv >/dev/null && uv pip install --python $(BIN)/python --index-strategy unsafe-best-match $(INSTALL); } || \
	  $(BIN)/python -m pip install $(INSTALL)
	@touch $@
