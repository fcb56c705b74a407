# Every command of the project. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
WORKERS ?= 3
# Tests start a hundred processes: where nothing keeps what Python compiles, each would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo run test fast gameday lint types fix check openapi golden bench screenshots sbom protection migrate model clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# What runs CreditLink: a virtual environment with exactly the locked versions.
$(RUN_STAMP): config/locks/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "CreditLink needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages (once; a few minutes when nothing is cached)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r config/locks/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): $(RUN_STAMP) config/locks/dev.txt
	@echo "Installing the locked development packages (once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r config/locks/dev.txt
	@touch $@

setup: $(RUN_STAMP) ## Make .venv with what runs CreditLink; quick when nothing changed

setup-dev: $(DEV_STAMP) ## The same, with what tests, trains and checks it

demo: setup ## The whole main job over real HTTP, then stop (REAL=<folder> for real VAT invoices)
	@$(BIN)/creditlink demo $(if $(REAL),--real "$(REAL)")

run: setup ## Start everything in the sandbox and leave it running, with addresses and credentials
	@$(BIN)/creditlink up $(if $(REAL),--real "$(REAL)") $(if $(API_PROCESSES),--api-processes $(API_PROCESSES))

test: setup-dev ## All tests, or those under T=<path>
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(T)

fast: setup-dev ## Only the tests that need no database (seconds)
	@$(BIN)/python -m pytest -m pure

gameday: setup-dev ## Break a running platform on purpose, in every way that tests/gameday knows (a quarter of an hour)
	@$(BIN)/python -m pytest -m "gameday or not gameday" tests/gameday $(if $(K),-k "$(K)")

lint: setup-dev ## Style and import rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: setup-dev ## Types: strict on the pure modules
	@$(BIN)/mypy

fix: setup-dev ## Apply what the linter can fix by itself
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

openapi: setup ## Write docs/openapi.json anew
	@$(BIN)/creditlink openapi > docs/openapi.json

golden: setup-dev ## Write the golden files anew; the difference is reviewed like code
	@WRITE_GOLDEN=1 $(BIN)/python -m pytest tests/profiles/test_golden.py

check: lint types test ## What CI decides by: style, types, imports, tests (with OpenAPI and migrations)

bench: setup-dev ## Benchmarks at small size (each has --json and --help)
	@for b in benchmarks/[a-z]*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

screenshots: setup-dev ## A picture of every page of a demo, both languages and widths: var/screenshots/index.html
	@$(BIN)/python benchmarks/_screenshots.py $(if $(ONLY),--only $(ONLY))

model: setup-dev ## Train the champion's recipe anew into models/city-retrained: the same model.ubj (minutes)
	@$(BIN)/creditlink sandbox city --firms 240000 --months 84 --until 2026-10 --seed 7 --out var/training-city --force
	@for seed in 8 9; do $(BIN)/creditlink sandbox city --firms 160000 --months 84 --until 2026-10 --seed $$seed --out var/calibrating-city-$$seed --force || exit 1; done
	@$(BIN)/creditlink train var/training-city --beside var/calibrating-city-8 --beside var/calibrating-city-9 --out models/city-retrained --replace

sbom: setup-dev ## What CreditLink is made of: docs/sbom.json (CycloneDX) and docs/licences.md, from the lock
	@$(BIN)/python deploy/tools/bill.py

protection: ## Write docs/protection.md anew from config/protection.toml
	@$(PYTHON) deploy/tools/protection.py

migrate: setup-dev ## Next numbered migration: make migrate NAME=noun
	@test -n "$(NAME)" || { echo "NAME=noun is needed"; exit 1; }
	@n=$$(printf '%04d' $$(($$(ls migrations/versions/*.py | wc -l) + 1))); p=$$(printf '%04d' $$((10#$$n - 1))); \
	  printf '"""$(NAME)."""\n\nrevision = "%s"\ndown_revision = "%s"\nbranch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n    """Apply."""\n\n\ndef downgrade() -> None:\n    """Undo."""\n' $$n $$p > migrations/versions/$${n}_$(NAME).py; \
	  echo "migrations/versions/$${n}_$(NAME).py"

clean: ## Remove the sandbox's data (var/)
	@rm -rf var
