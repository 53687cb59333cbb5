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

lock: ## resolve pyproject.toml again into requirements/*.lock
	$(BIN)/python requirements/lock.py

.PHONY: help install lock
