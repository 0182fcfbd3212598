# Every verb of this repository, one line each: `make help`. They need git, make and some python3, and get the rest.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast check bench docs alone oldest lock changelog

# What pytest gets on top, such as: make test PYTEST_ARGS="-k outbox"
PYTEST_ARGS ?=
# One process per core, but never more than PostgreSQL has connections for.
PYTEST := .venv/bin/python -m pytest -n auto --maxprocesses 8 --dist worksteal

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## Make .venv with every package and tool; gets uv and Python >= 3.12 where they are missing
	@scripts/setup

demo: setup ## Run the order application and watch what it does
	@PYTHONPATH=examples .venv/bin/python -m orders

test: setup ## Run every test that this machine can run, and say which servers were used and what was skipped
	@$(PYTEST) $(PYTEST_ARGS)

test-fast: setup ## Run the tests that need no server, no database file and no documentation, with few examples
	@HYPOTHESIS_PROFILE=fast $(PYTEST) --no-servers --ignore=packages/persistence --ignore=tests/documentation \
		--ignore=tests/tooling $(PYTEST_ARGS)

check: setup ## Lint, format, types, imports, documentation, lock, changelog fragments, and the wheels installed alone
	@scripts/check

bench: setup ## Run the benchmarks; each prints ratios to a floor measured in the same run
	@scripts/bench

docs: setup ## Build the documentation into site/, without network
	@.venv/bin/zensical build --strict && echo "Open site/index.html"

alone: setup ## Test each package with nothing installed but what it declares
	@.venv/bin/python -m scripts.alone

oldest: setup ## Test each package with the oldest dependencies it claims to work with
	@.venv/bin/python -m scripts.alone --oldest

lock: ## Bring every locked dependency to its newest version
	@scripts/uv lock --upgrade && $(MAKE) --no-print-directory setup

changelog: setup ## Collect the fragments for a release: make changelog PACKAGE=cqrs-ddd-core VERSION=0.2.0
	@.venv/bin/python -m scripts.changelog release "$(PACKAGE)" "$(VERSION)"
