# Firmpulse: `make` lists the targets.
VENV := .venv
PYTHON ?= python3
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed
export FIRMPULSE_HOME ?= var
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := False

.DEFAULT_GOAL := help
.PHONY: help install run test test-exhaustive spark test-spark lint lint-style lint-types lint-imports lint-sql up down docs sbom audit lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Install everything from the hash-pinned lock into .venv

# uv is fetched first by pip, with its own hash. It takes the package index that pip is set up with.
# Packages are compiled here: where Python may not write (a service's own account, many containers),
# each process would compile thousands of modules again, and take twice as long to start.
# A new package of the project is found after another install, which its __init__.py triggers.
$(STAMP): requirements.lock requirements-uv.lock pyproject.toml $(wildcard */__init__.py)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Firmpulse needs Python 3.11, 3.12 or 3.13; call: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing into $(VENV) (once; under a minute on a fast network) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(RUN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	@index=$$($(RUN)/python -m pip config get global.index-url 2>/dev/null); \
		if [ -n "$$index" ] && [ -z "$$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
		$(RUN)/uv pip sync --quiet --compile-bytecode --python $(RUN)/python --require-hashes requirements.lock || \
		$(RUN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	@export PYTHONWARNINGS=ignore; $(RUN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index -e . || \
		$(RUN)/uv pip install --quiet --python $(RUN)/python --no-deps --no-build-isolation -e .
	@touch $@

run: $(STAMP) ## Simulate firms and run the whole pipeline; called again: the next night only
	@$(RUN)/firmpulse run

test: $(STAMP) ## Run the tests; exhaustive tests only in a small version
	@$(RUN)/python -m pytest

test-exhaustive: $(STAMP) ## Run every test in full: many kills, 1,000 bad files, all real data; then Spark if Java is there
	@FIRMPULSE_EXHAUSTIVE=1 $(RUN)/python -m pytest
	@if command -v java >/dev/null; then $(MAKE) test-spark; else echo "no Java 17: tests on Spark left out"; fi

lint: lint-sql lint-types lint-style lint-imports ## Style, types, import rules, SQL style; in parallel with make -j2 lint

lint-style: $(STAMP)
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .

lint-types: $(STAMP)
	@$(RUN)/mypy

lint-imports: $(STAMP)
	@$(RUN)/lint-imports

lint-sql: $(STAMP)
	@$(RUN)/sqlfluff lint dbt_project/models
	@$(RUN)/python -m tests.python_sql

SPARK := .venv-spark
spark: $(SPARK)/.installed ## Install everything and Spark into .venv-spark; needs Java 17

$(SPARK)/.installed: $(STAMP) requirements-spark.lock
	@command -v java >/dev/null || { echo "Spark needs Java 17; install it, then call make again"; exit 1; }
	@test -d $(SPARK) || $(PYTHON) -m venv $(SPARK)
	@index=$$($(RUN)/python -m pip config get global.index-url 2>/dev/null); \
		if [ -n "$$index" ] && [ -z "$$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
		$(RUN)/uv pip sync --quiet --compile-bytecode --python $(SPARK)/bin/python --require-hashes requirements-spark.lock
	@$(RUN)/uv pip install --quiet --python $(SPARK)/bin/python --no-deps --no-build-isolation -e .
	@touch $@

test-spark: $(SPARK)/.installed ## Run the tests of features and scoring on Spark
	@$(SPARK)/bin/python -m pytest -n 0 tests/spark

up: $(STAMP) ## Start Airflow and MLflow on 127.0.0.1
	@$(RUN)/firmpulse up

down: $(STAMP) ## Stop them
	@$(RUN)/firmpulse down

docs: $(STAMP) ## Build the documentation as a site in site/
	@NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --quiet

# The name of the lock replaces the address of the package index, which stays private.
sbom: $(STAMP) ## Write sbom.cdx.json: every package of the lock with its hashes
	@$(RUN)/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml \
		--index-url urn:requirements.lock --output-reproducible --validate --output-file sbom.cdx.json

# With OSV_URL=…, a service with the same API in a closed network.
audit: $(STAMP) ## Check every package of the lock against the OSV advisories; needs the network or OSV_URL
	@$(RUN)/pip-audit --requirement requirements.lock --disable-pip --require-hashes \
		--vulnerability-service osv $(if $(OSV_URL),--osv-url $(OSV_URL)) --progress-spinner off

lock: ## Resolve the dependencies again (for maintainers)
	@$(RUN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		-o requirements.lock
	@$(RUN)/uv pip compile pyproject.toml --extra dev --extra spark --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		--constraint requirements.lock -o requirements-spark.lock

clean: ## Remove the environment and all local files, including keys and vault
	@echo "This removes $(VENV) and $(FIRMPULSE_HOME) with its keys; without them the vault is unreadable."
	@printf "Type yes to go on: "; read answer; [ "$$answer" = yes ]
	@rm -rf $(VENV) $(SPARK) "$(FIRMPULSE_HOME)"
