.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 5000

.PHONY: help
help: ## List all targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "%-17s %s\n", $$1, $$2}'

# --no-deps: each file is complete, so pip resolves nothing and a later release changes nothing
# (decision 19).
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

$(VENV)/run: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes -r requirements.txt
	@touch $@

$(VENV)/dev: requirements-dev.txt pyproject.toml $(VENV)/run
	$(INSTALL) --require-hashes -r requirements-dev.txt
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

.PHONY: run
run: $(VENV)/run ## Serve http://127.0.0.1:5000 on SQLite, with reload (PORT changes the port)
	$(BIN)/quart --app service.app:create_app init_db
	PORT=$(PORT) $(BIN)/uvicorn --factory service.app:create_app --port $(PORT) --no-access-log --no-server-header --reload --reload-dir service

PYTEST := -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: test
test: $(VENV)/dev ## Run the whole test suite, on SQLite and on PostgreSQL (ARGS="-n 0" for one process)
	$(BIN)/python $(PYTEST) $(ARGS)

.PHONY: test-interpreters
test-interpreters: $(VENV)/dev ## Run the tests that depend on the interpreter on every other Python found, 3.11 to 3.14
	$(BIN)/python -m tests.interpreters $(ARGS)

.PHONY: openapi-snapshot
openapi-snapshot: $(VENV)/dev ## Write tests/api/openapi.json again, after an intended change of the API
	$(BIN)/python -m tests.api.openapi_snapshot

LOWEST := .venvs/lowest
$(LOWEST)/test: BIN := $(LOWEST)/bin
$(LOWEST)/test: requirements-lowest.txt pyproject.toml
	$(PYTHON) -m venv --clear $(LOWEST)
	$(INSTALL) --require-hashes -r requirements-lowest.txt
	$(INSTALL) --no-build-isolation --editable .
	$(BIN)/python -m pip check
	@touch $@

# tests/requirements needs the packages of the other requirement files.
.PHONY: test-lowest
test-lowest: $(LOWEST)/test ## Run the tests, except browser and bench, on the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python $(PYTEST) --ignore tests/browser --ignore tests/bench --ignore tests/requirements $(ARGS)

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
format: $(VENV)/dev ## Format the code, and correct what ruff can correct
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/dev ## Measure speed, starts and memory of the service and its peers (ten minutes; needs wrk)
	$(BIN)/python -m bench $(ARGS)

.PHONY: coverage
coverage: $(VENV)/dev ## Run the tests and show which branches they do not reach
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

.PHONY: lock
lock: $(VENV)/dev ## Pin the newest versions that pyproject.toml allows, with hashes, and verify the files
	$(COMPILE) --output-file requirements.txt pyproject.toml
	$(COMPILE) --constraints requirements.txt --extra telemetry --output-file requirements-telemetry.txt pyproject.toml
	$(COMPILE) --constraints requirements-telemetry.txt --extra dev --output-file requirements-dev.txt pyproject.toml
	@mkdir -p .venvs
	$(COMPILE) --resolution lowest-direct --extra telemetry --output-file .venvs/lowest.txt pyproject.toml
	$(COMPILE) --no-annotate --constraints .venvs/lowest.txt --extra telemetry --extra test --output-file requirements-lowest.txt pyproject.toml
	$(MAKE) $(VENV)/dev
	$(BIN)/python -m tests.requirements.record
	$(BIN)/python -m pip check
	$(BIN)/python -m pytest tests/requirements

COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
