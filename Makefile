# The single entry. `make` alone lists what there is.
#   make run DIR=path/to/tree     reviews another tree
#   make test TESTS=tests/unit    runs a part of the tests
#   make bench BENCH=--quick      a short look
#   make run PYTHON=python3.12    picks the interpreter (3.11 or newer) for a fresh .venv

PYTHON ?= python3
DIR := src/skep
TESTS :=
BENCH :=
VENV := .venv
PEERS := .venv-peers
PIP_OPTIONS := --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test lint bench clean

help:
	@echo "make run    review the source of skep with a small swarm (DIR=... for another tree)"
	@echo "make test   every tier of tests that needs no server (TESTS=... for a part)"
	@echo "make lint   ruff, basedpyright, import-linter"
	@echo "make bench  the benchmarks, beside their peers"
	@echo "make clean  remove what these made"

run: $(VENV)/.installed-examples
	$(VENV)/bin/skep run examples/review/blueprint.yaml --input 'path=$(DIR)'

test: $(VENV)/.installed-test
	$(VENV)/bin/python -m pytest -n auto --dist loadfile $(TESTS)

lint: $(VENV)/.installed-test $(VENV)/.installed-lint
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/basedpyright
	$(VENV)/bin/lint-imports

bench: $(VENV)/.installed-examples $(PEERS)/.installed
	$(VENV)/bin/python benchmarks/run.py --peers $(PEERS)/bin/python $(BENCH)

clean:
	rm -rf $(VENV) $(PEERS) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache review.md

# Stamps: a set-up runs again only when pyproject.toml or constraints.txt has changed.
$(VENV)/.made $(PEERS)/.made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("skep needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(@D)
	@touch $@

$(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/.made
	$(VENV)/bin/python -m pip install $(PIP_OPTIONS) -c constraints.txt -e '.[$*]'
	@touch $@

$(PEERS)/.installed: benchmarks/requirements-peers.txt | $(PEERS)/.made
	$(PEERS)/bin/python -m pip install $(PIP_OPTIONS) -r $<
	@touch $@
