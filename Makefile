# The two commands: `make demo` and `make test`. Each sets up what it needs in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo demo-fault demo-real test check format types lint imports docs tests bench lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("penstock needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.runtime  ## .venv with the penstock command

setup-dev: $(VENV)/.dev  ## and with what tests and checks need

demo: setup  ## the main job on a year of real flights, embedded, in about two minutes
	$(BIN)/penstock demo

demo-fault: setup  ## and what becomes of a fault in them: drift, retrain, canary, in about four minutes
	$(BIN)/penstock demo --fault

demo-real: setup  ## the main job on real Kafka, Elasticsearch and a schema registry, exactly once, a scorer killed on the way
	$(BIN)/python -m tests.services.demo

test: check  ## every check and every test, real servers included where a JDK and Maven are found

check: setup-dev format lint types imports docs tests

format: setup-dev
	$(BIN)/ruff format --check .

lint: setup-dev
	$(BIN)/ruff check .

types: setup-dev
	$(BIN)/mypy

imports: setup-dev
	$(BIN)/lint-imports

docs: setup-dev
	$(BIN)/python -m docs.reference --check

tests: setup-dev
	$(BIN)/python -m pytest

bench: setup-dev  ## the benchmarks: lanes on a real broker, a real Elasticsearch, detectors of drift
	$(BIN)/python -m benchmarks.lane
	$(BIN)/python -m benchmarks.canary
	$(BIN)/python -m benchmarks.store
	$(BIN)/python -m benchmarks.drift

lock:  ## requirements/*.txt anew from pyproject.toml, with hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra demo pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra demo --extra dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt
	printf 'hatchling\neditables\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header -c requirements/dev.txt - -o requirements/build.txt

clean:  ## what the commands above made
	rm -rf $(VENV) .demo .demo-real .penstock build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
