SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
# auto: torch without CUDA where no NVIDIA driver is seen and pip can find that build; else the default build.
TORCH ?= auto

# --no-deps: the locks are complete, so pip checks hashes and resolves nothing.
$(STAMP): $(wildcard requirements/*.lock) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Surety needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@echo "Installing into .venv (once; some minutes)"
	@$(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements/dev.lock
	@if [ "$(TORCH)" = cpu ] || { [ "$(TORCH)" = auto ] && ! command -v nvidia-smi >/dev/null; }; then \
	  $(PIP) --require-hashes -r requirements/torch-cpu.lock 2>/dev/null && exit 0; \
	  [ "$(TORCH)" = cpu ] && { echo "pip cannot find torch's CPU build: point it at one, or use TORCH=cuda"; exit 1; }; \
	fi; $(PIP) --require-hashes -r requirements/torch-cuda.lock
	@$(PIP) --no-build-isolation --editable .
	@touch $@

install: $(STAMP) ## make .venv from the locked, hashed requirements

demo: $(STAMP) ## start everything, explain one held-out digit, show the certificate, stop everything
	@$(BIN)/surety demo

serve: $(STAMP) ## run Redis, a worker and the API on this machine until Ctrl-C
	@$(BIN)/surety serve

doctor: $(STAMP) ## say what is missing on this machine and how to mend it
	@$(BIN)/surety doctor

test: check ## check, then run all tests against a Redis server of their own
	@$(BIN)/pytest

check: $(STAMP) ## lint, types, import rules, catalogue, compose files
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m worker.catalogue --check

format: $(STAMP) ## let ruff lay out the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

catalogue: $(STAMP) ## write app/catalogue.json from the registries
	@$(BIN)/python -m worker.catalogue

# QUICK=1 makes a small form under out/. What was computed is kept there too, so that a run can be interrupted and resumed.
evidence-coverage evidence-imagenet evidence-pixels evidence-cosine evidence-attacks evidence-bounds: evidence-%: $(STAMP)
	@$(BIN)/python -m benchmarks.evidence $*

evidence: evidence-coverage evidence-imagenet evidence-pixels evidence-cosine evidence-attacks evidence-bounds ## measure what is claimed, into docs/evidence (hours; one by one: evidence-coverage, ...)

bench: $(STAMP) ## samples per second beside a bare loop (and Captum, if installed), and memory over samples
	@$(BIN)/python -m benchmarks.speed
	@$(BIN)/python -m benchmarks.memory

# SEED=1 repeats a run's random faults; QUICK=1 makes a small form under out/.
chaos: $(STAMP) ## kill, freeze and fill the running service; what became of its jobs, into docs/evidence (ten minutes)
	@SEED=$(SEED) $(BIN)/python -m benchmarks.chaos

# SEED=1 repeats a run's requests; QUICK=1 makes small forms under out/.
load: $(STAMP) ## 1,000 mixed requests from 32 clients, then 2,000 jobs on one worker, into docs/evidence (twelve minutes)
	@SEED=$(SEED) $(BIN)/python -m benchmarks.load

scaling: $(STAMP) ## one against two workers, the queue alone, the bytes of a job, into docs/evidence (five minutes)
	@$(BIN)/python -m benchmarks.load scaling

train-digits: $(STAMP) ## train the digits model again from scikit-learn's bundled data (two minutes)
	@$(BIN)/python -m models.training.digits --force

lock: $(STAMP) ## resolve pyproject.toml again into requirements/*.lock
	@PATH="$(BIN):$$PATH" $(BIN)/python requirements/lock.py

fuzz: $(STAMP) ## send some thousand requests made from the OpenAPI document
	@SURETY_FUZZ_CASES=60 $(BIN)/pytest -q -s tests/security/test_openapi.py

audit: $(STAMP) ## ask pip-audit about every locked package; fails also if it could not look at all of them
	@$(BIN)/python requirements/audit.py

sbom: $(STAMP) ## write out/sbom: what the API and a worker are made of (CycloneDX 1.6, with hashes)
	@mkdir -p out/sbom
	@cat requirements/api.lock > out/sbom/api.txt
	@cat requirements/worker.lock requirements/torch-cuda.lock > out/sbom/worker.txt
	@for name in api worker; do \
	  $(BIN)/cyclonedx-py requirements out/sbom/$$name.txt --pyproject pyproject.toml --mc-type application \
	    --output-reproducible --validate -o out/sbom/$$name.cdx.json 2>/dev/null || exit 1; \
	  rm out/sbom/$$name.txt; echo "out/sbom/$$name.cdx.json"; \
	done

clean: ## remove .venv, caches and outputs
	@rm -rf .venv out var build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help install demo serve doctor test check format catalogue evidence evidence-coverage evidence-imagenet evidence-pixels \
  evidence-cosine evidence-attacks evidence-bounds bench chaos load scaling train-digits lock fuzz audit sbom clean
