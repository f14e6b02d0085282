# `make demo` runs the main job and prints its page; `make test` checks everything.
# Both set up .venv first, once. Nothing but the package index is needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OLDEST := .venv-oldest
OLDEST_STAMP := $(OLDEST)/.installed
BENCH := benchmarks/.venv
BENCH_STAMP := $(BENCH)/.installed
PIP_FLAGS := --quiet --disable-pip-version-check --no-warn-script-location

.DELETE_ON_ERROR:
.PHONY: help setup demo test lint pytest docs test-oldest remembered bench fuzz mutants clean python

help:
	@echo "make setup   make $(VENV) and install xhat, its example tasks and the tools, once"
	@echo "make demo    run the main job into runs/demo and print the page's path"
	@echo "make test    ruff, basedpyright, import-linter, pytest with doctests, docs"
	@echo "make test-oldest  the engine, files and commands with the oldest versions that are allowed"
	@echo "make docs    build the site into site/, warnings as errors"
	@echo "make remembered  learn anew of the digits what is shipped, after a change of weights or rooms"
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

# Two workers of one thread each beat one worker of two threads on these small tensors. Many tests
# begin processes of their own, so what is compiled is kept, whatever the environment says.
QUICKLY := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
pytest: setup
	$(QUICKLY) $(BIN)/pytest -n 2 --dist loadfile

# The engine, and one command and file of each kind. Old packages may use what new ones call deprecated.
test-oldest: $(OLDEST_STAMP)
	$(OLDEST)/bin/python -m pip check
	$(QUICKLY) $(OLDEST)/bin/pytest -n 2 --dist loadfile -W ignore::DeprecationWarning \
		tests/core tests/engine tests/spaces tests/constraints tests/objectives tests/laws tests/learning tests/test_symmetry.py \
		tests/cli/test_shell.py tests/cli/test_optimize.py tests/cli/test_audit.py tests/cli/test_audit_digits.py tests/cli/test_label.py studies/tests/test_main.py zoo/tests/test_laws.py \
		tests/cli/test_train.py::test_a_recipe_is_trained_from_the_embedded_data tests/cli/test_demo.py \
		tests/apps/label/test_exchange.py tests/metrics/test_dimension.py zoo/tests/digits/report/test_page.py studies/tests/test_tuning.py \
		zoo/tests/digits/test_embeddings.py tests/surrogates/test_steerable.py tests/cli/test_serving.py tests/test_versions.py

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --clean --site-dir site

# Computed as if nothing were known, and kept where the task looks first.
PRECOMPUTED := zoo/xhat_zoo/digits/precomputed
remembered: setup
	rm -f $(PRECOMPUTED)/*.safetensors
	OMP_NUM_THREADS=1 XHAT_CACHE=$(PRECOMPUTED) $(BIN)/python -c "from xhat_zoo.digits.judging import digits_judge; \
		from xhat_zoo.digits.references import digits_references; digits_judge(), digits_references()"
	rm -f $(PRECOMPUTED)/judge-sees-*.safetensors
	chmod 644 $(PRECOMPUTED)/*.safetensors
	$(BIN)/python -c "from xhat_zoo.digits.domain import digits_domain; from xhat_zoo.digits.tested import remember; \
		remember(digits_domain())"

bench: $(BENCH_STAMP)
	$(BENCH)/bin/python benchmarks/attacks.py
	$(BENCH)/bin/python benchmarks/minimum_norm.py
	$(BENCH)/bin/python benchmarks/apgd.py
	$(BENCH)/bin/python benchmarks/engine.py
	$(BENCH)/bin/python benchmarks/constrained.py
	$(BENCH)/bin/python benchmarks/constrained_network.py
	$(BENCH)/bin/python benchmarks/scale.py
	$(BENCH)/bin/python benchmarks/memory.py
	$(BENCH)/bin/python benchmarks/judging.py
	$(BENCH)/bin/python benchmarks/verdict_cost.py
	$(BENCH)/bin/python benchmarks/diffusers_check.py

# Others: make fuzz FUZZ="--n 500 --seed 3".
fuzz: setup
	$(QUICKLY) $(BIN)/python -m tests.fuzz $(FUZZ)

mutants: setup
	$(QUICKLY) $(BIN)/python -m tests.mutation

clean:
	rm -rf $(VENV) $(OLDEST) $(BENCH) site build dist zoo/dist .pytest_cache .ruff_cache .import_linter_cache
	find src zoo studies tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# An unfitting Python is refused before anything is made.
python:
	@command -v $(PYTHON) >/dev/null || { echo "xhat needs Python 3.11 or newer, but there is no '$(PYTHON)'; try: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "xhat needs Python 3.11 or newer, but $(PYTHON) is %s; try: make PYTHON=python3.11 ..." % sys.version.split()[0])'

$(STAMP): pyproject.toml zoo/pyproject.toml constraints.txt | python
	@echo "Setting up $(VENV) (once; takes a few minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev,docs]' --editable 'zoo[flow,mesh]'
	@touch $@

$(OLDEST_STAMP): pyproject.toml zoo/pyproject.toml constraints-oldest.txt | python
	@echo "Setting up $(OLDEST) (once; takes a few minutes) ..."
	@$(PYTHON) -m venv $(OLDEST)
	@$(OLDEST)/bin/python -m pip install $(PIP_FLAGS) --constraint constraints-oldest.txt \
		--editable '.[dimension,postgresql,report,robustness,scale,steerable,tables,test,trees,tune,web]' --editable 'zoo[flow,mesh]'
	@touch $@

# torchattacks asks for another torch than the one in use, so it comes without what it asks for.
$(BENCH_STAMP): pyproject.toml zoo/pyproject.toml constraints.txt benchmarks/requirements.txt | python
	@echo "Setting up $(BENCH) (once; takes a few minutes) ..."
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt \
		--requirement benchmarks/requirements.txt --editable . --editable zoo
	@$(BENCH)/bin/python -m pip install $(PIP_FLAGS) --no-deps torchattacks==3.5.1
	@$(BENCH)/bin/python -m pip install $(PIP_FLAGS) --no-deps adv-lib==0.2.8 \
		botorch==0.18.1 gpytorch==1.15.2 linear_operator==0.6.1 pyre-extensions==0.0.32 \
		typing-inspect==0.9.0 mypy_extensions==1.2.0 multipledispatch==1.0.0
	@PIP_CONSTRAINT=benchmarks/build-constraints.txt $(BENCH)/bin/python -m pip install \
		$(PIP_FLAGS) --no-deps --target $(BENCH)/peers torchvision==0.29.1 visdom==0.2.4 \
		jsonpatch==1.48 jsonpointer==3.12 tornado==6.6.1 websocket-client==1.9.2
	@touch $@
