# `make demo` runs the main job and prints its page; `make test` checks everything.
# Both set up .venv first, once. Nothing but the package index is needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH := benchmarks/.venv
BENCH_STAMP := $(BENCH)/.installed
PIP_FLAGS := --quiet --disable-pip-version-check --no-warn-script-location

.DELETE_ON_ERROR:
.PHONY: help setup demo test lint pytest docs bench fuzz mutants clean python

help:
	@echo "make setup   make $(VENV) and install the package with its tools, once"
	@echo "make demo    run the main job into runs/demo and print the page's path"
	@echo "make test    ruff, basedpyright, import-linter, pytest with doctests, docs"
	@echo "make docs    build the site into site/, warnings as errors"
	@echo "make bench   time the engine beside other libraries (its own environment)"
	@echo "make fuzz    check every promise of the engine on 10,000 random problems"
	@echo "make mutants plant 300 small faults in the engine and count those that tests notice"
	@echo "make clean   remove everything that the other targets made, but for runs/"

setup: $(STAMP)

demo: setup
	@$(BIN)/xhat demo --out runs/demo

test: lint pytest docs

lint: setup
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports --no-cache

# Two workers of one thread each beat one worker of two threads on these small tensors.
pytest: setup
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --clean --site-dir site

bench: $(BENCH_STAMP)
	$(BENCH)/bin/python benchmarks/attacks.py
	$(BENCH)/bin/python benchmarks/memory.py
	$(BENCH)/bin/python benchmarks/judging.py
	$(BENCH)/bin/python benchmarks/diffusers_check.py

# Others: make fuzz FUZZ="--n 500 --seed 3".
fuzz: setup
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(FUZZ)

mutants: setup
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m tests.mutation

clean:
	rm -rf $(VENV) $(BENCH) site build dist .pytest_cache .ruff_cache .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# An unfitting Python is refused before anything is made.
python:
	@command -v $(PYTHON) >/dev/null || { echo "xhat needs Python 3.11 or newer, but there is no '$(PYTHON)'; try: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "xhat needs Python 3.11 or newer, but $(PYTHON) is %s; try: make PYTHON=python3.11 ..." % sys.version.split()[0])'

$(STAMP): pyproject.toml constraints.txt | python
	@echo "Setting up $(VENV) (once; takes a few minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

# torchattacks asks for another torch than the one in use, so it comes without what it asks for.
$(BENCH_STAMP): pyproject.toml constraints.txt benchmarks/requirements.txt | python
	@echo "Setting up $(BENCH) (once; takes a few minutes) ..."
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt \
		--requirement benchmarks/requirements.txt --editable .
	@$(BENCH)/bin/python -m pip install $(PIP_FLAGS) --no-deps torchattacks==3.5.1
	@touch $@
