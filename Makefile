# Each target does its own set-up, quietly when there is nothing to do. Needs Python >= 3.11 and make alone.
SHELL := /bin/bash
# The first that is new enough and can make a virtual environment (Debian's own may lack ensurepip), pyenv's included.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 \
	$(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/3.*/bin/python3); do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Twice the cores: most of the tests wait for processes, and those that compute give way.
JOBS ?= 4

.PHONY: demo test lint audit check bench proof mutation sbom lowest highest fmt setup lock clean

demo: $(VENV)/.run
	@$(BIN)/rotator demo

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal tests

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# Licences, code, the wheel made twice; and what is known against the packages, if the network answers.
audit: $(VENV)/.dev
	@$(BIN)/python -m tests.supply audit

sbom: $(VENV)/.dev
	@$(BIN)/python -m tests.supply sbom

check: lint audit
	@$(MAKE) --no-print-directory test

setup: $(VENV)/.dev

bench: $(VENV)/.dev
	@$(BIN)/python -m tests.bench

# The promises, tried for as long as wanted; one line for each kind. SEED=1 chooses other tries.
PROOF_MINUTES ?= 20
proof: $(VENV)/.dev
	@$(BIN)/python -m tests.proof --minutes $(PROOF_MINUTES) $(if $(SEED),--seed $(SEED))

mutation: $(VENV)/.dev
	@$(BIN)/python -m tests.mutation --minutes $(PROOF_MINUTES) $(if $(SEED),--seed $(SEED))

fmt: $(VENV)/.dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# The oldest or the newest versions that pyproject.toml allows, in an environment that is thrown away. Needs `uv`.
lowest: $(VENV)/.dev
	@$(BIN)/python -m tests.supply.bounds lowest

highest: $(VENV)/.dev
	@$(BIN)/python -m tests.supply.bounds highest

# The lock files name no host: whoever installs brings an index of their own.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock:
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --extra postgres -c requirements/run.txt -o requirements/postgres.txt
	$(LOCK) pyproject.toml --all-extras -c requirements/postgres.txt -o requirements/image.txt
	$(LOCK) pyproject.toml --all-extras --group dev -c requirements/image.txt -o requirements/dev.txt

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "rotator needs Python 3.11 or newer with venv and ensurepip (Debian: python3-venv); set PYTHON=/path/to/python" >&2; exit 1; }
	@echo "setting up $(VENV) (once)" >&2
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run: requirements/build.txt requirements/run.txt pyproject.toml | $(BIN)/python
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
