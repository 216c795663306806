.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 5000

.PHONY: help
help: ## List what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "%-10s %s\n", $$1, $$2}'

$(VENV)/run: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt pyproject.toml $(VENV)/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: run
run: $(VENV)/run ## Serve http://127.0.0.1:5000 on SQLite, with reload (PORT changes the port)
	$(BIN)/quart --app service.app:create_app init_db
	PORT=$(PORT) $(BIN)/uvicorn --factory service.app:create_app --port $(PORT) --no-access-log --no-server-header --reload --reload-dir service

.PHONY: test
test: $(VENV)/dev ## Run the whole test suite, on SQLite and on PostgreSQL (ARGS="-n 0" for one process)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

.PHONY: soak
soak: $(VENV)/dev ## Run the tests of faults, migrations and odd texts at full scale, on this machine alone
	FULL_SCALE=1 $(BIN)/python -m pytest tests/faults tests/migrations/test_concurrency.py tests/migrations/test_killed.py tests/test_any_text.py tests/api/test_any_text.py $(ARGS)

.PHONY: check
check: $(VENV)/dev ## Check format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/dev ## Put the code in its format, and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/dev ## Measure speed, starts and memory beside its peers (ten minutes; needs wrk)
	$(BIN)/python -m bench $(ARGS)

.PHONY: coverage
coverage: $(VENV)/dev ## Run the tests and show which branches they leave out
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

.PHONY: lock
lock: $(VENV)/dev ## Pin the newest versions that pyproject.toml allows, with hashes
	$(BIN)/uv pip compile --quiet --upgrade $(COMPILE) --output-file requirements.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade $(COMPILE) --constraints requirements.txt --extra dev --output-file requirements-dev.txt pyproject.toml

COMPILE := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
