# Every target sets up what it needs by itself: a virtual environment in .venv, nothing outside this folder.
PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
BIN := .venv/bin
PYTEST_WORKERS ?= auto
QUICK := tests/core tests/plan tests/scan tests/serve

.PHONY: help install pilot test check format docs schema lock clean

# Tests start the command hundreds of times; where Python keeps no compiled modules, each start would compile them all.
export PYTHONDONTWRITEBYTECODE =

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

install: .venv/installed  ## Build .venv with the fairlead command in it

pilot: .venv/installed  ## Run scan, pilot and plan on sample traffic, offline, and write a report
	@$(BIN)/fairlead demo --folder pilot-out --fresh

test: .venv/ready-to-test .venv-clients/ready  ## Run every test
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal

check: .venv/ready-to-test  ## Format, lint, types, import contracts and the quick tests (core, plan, scan, serve)
	@$(BIN)/ruff format --check src tests benchmarks typing_tests
	@$(BIN)/ruff check src tests benchmarks typing_tests
	@$(BIN)/mypy
	@$(BIN)/basedpyright --level error
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal -m "not journey" $(QUICK)

format: .venv/ready-to-test  ## Put the code in the project's format
	@$(BIN)/ruff format src tests benchmarks typing_tests
	@$(BIN)/ruff check --fix-only src tests benchmarks typing_tests

docs: .venv/installed  ## Renew the generated pages of the documentation
	@$(BIN)/python docs/make_commands.py

schema: .venv/installed  ## Write the statements of a new ledger anew, after a migration was added
	@$(BIN)/python -c 'from fairlead.edge.store.upgrade import write_statements; write_statements()'

lock:  ## Renew requirements/*.txt (needs uv); releases younger than a week wait
	requirements/lock

clean:  ## Remove everything that make has made
	rm -rf .venv .venv-clients pilot-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Fairlead needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "Setting up .venv (once; about a minute) ..."
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/made requirements/build.txt requirements/run.txt pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ready-to-test: .venv/installed requirements/dev.txt
	@echo "Adding the test tools to .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# Other makers' clients, which only tests use, through the gateway. The file names every package that they need of others.
.venv-clients/ready: .venv/made requirements/clients.txt
	@echo "Setting up .venv-clients: other makers' clients for the tests of the gateway (once; a minute or two) ..."
	@$(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements/clients.txt
	@touch $@
