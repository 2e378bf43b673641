# Two commands do everything: `make demo` runs a sweep, `make test` passes the tests.
# Each installs what it needs into .venv first (uv is fetched into .tools where there is none).

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
READY := $(VENV)/.ready
DOCS := .venv-docs
SERIAL := ray or browser
# Keeps compiled files even if the environment turns them off: otherwise every process of Ray compiles the packages again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test long unit coverage lint install hooks lock docs clean

help: ## List the targets.
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY) ## Run a sweep on generated street scenes, from images to a Pareto front.
	$(BIN)/segsweep run

test: $(READY) lint unit ## Check style and types, then run every test that this machine can run.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m "slow and not (long or $(SERIAL))"
	$(BIN)/pytest -m "($(SERIAL)) and not long"

long: $(READY) ## Run the longest tests: killed sweeps, full disks, Ray clusters, every kind of compression.
	$(BIN)/pytest -m long

unit: $(READY) ## Run the fast tests alone.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m "not (slow or gpu or $(SERIAL))"

coverage: $(READY) ## Run the fast tests with line coverage by module; they take longer than without.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m "not (slow or gpu or $(SERIAL))" \
		--cov=orchestrator --cov=trainables --cov=search_spaces --cov=cluster --cov-report=term:skip-covered

lint: $(READY) ## Check style and types.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

install: $(READY) ## Make the environment and nothing else.

hooks: $(READY) ## Run the checks of .pre-commit-config.yaml before every commit and push.
	$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

$(READY): requirements.lock pyproject.toml
	@command -v $(UV) >/dev/null 2>&1 || { $(PYTHON) -m venv .tools && .tools/bin/pip install --quiet uv; }
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python --compile-bytecode requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)

lock: ## Resolve the newest versions that pyproject.toml allows; no index address is written.
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --no-header \
		--all-extras --group dev pyproject.toml --output-file requirements.lock

docs: $(READY) $(DOCS)/.ready ## Write the generated pages, then build the docs site into site/.
	$(BIN)/python -m orchestrator.cli.docs > docs/cli.md
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet

$(DOCS)/.ready: pyproject.toml
	@command -v $(UV) >/dev/null 2>&1 || { $(PYTHON) -m venv .tools && .tools/bin/pip install --quiet uv; }
	test -x $(DOCS)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(DOCS)
	$(UV) pip install --quiet --python $(DOCS)/bin/python --group docs
	@touch $@

clean: ## Remove the environment and caches; sweeps stay.
	rm -rf $(VENV) $(DOCS) site .tools .mypy_cache .pytest_cache .ruff_cache .hypothesis
