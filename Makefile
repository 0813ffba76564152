# One command to see it, one to prove it. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON := .venv/bin/python
RELEASES ?= 11 12 13
ONLY ?=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Virtualenv with the locked tools and the collections
	@tools/setup

# Before the virtualenv: who cannot have an engine is told at once.
.PHONY: engine
engine:
	@tools/engine

.PHONY: lab
lab: engine setup ## Docker engine and the lab's images (RELEASES="11 12 13")
	@$(PYTHON) -m lab image $(RELEASES)

.PHONY: demo
demo: engine setup ## A cluster in containers: load, a switchover under it, health report, drill
	@$(PYTHON) -m lab image 12
	@$(PYTHON) tools/demo.py

.PHONY: test
test: setup ## Every check, as CI runs them
	@$(PYTHON) tools/check.py all

CHECKS := lint sanity docs unit package integration site molecule
.PHONY: $(CHECKS)
lint: ## ruff, yamllint, ansible-lint, mypy
sanity: ## ansible-test sanity
docs: ## Lint and build the documentation
unit: ## Unit tests with branch coverage
package: ## Build the tarball, install it elsewhere, use it from there
integration: ## Every module against PostgreSQL 15, what differs against 13 and 17
site: ## A cluster from bare hosts: dry run against run, again, after a failover, interrupted
molecule: ## The Molecule scenarios
$(CHECKS): setup
	@$(PYTHON) tools/check.py $@

.PHONY: integration-long
integration-long: engine setup ## Every module on 13, 15 and 17, with the long tests: kills, traffic, faults
	@$(PYTHON) -m lab image $(RELEASES)
	@$(PYTHON) -m pytest tests/integration --long

.PHONY: site-long
site-long: engine setup ## Clusters with the long tests: runs that are killed, replicas that come and go under load
	@$(PYTHON) -m lab image 12
	@$(PYTHON) -m pytest tests/site --long

FAULTS := i_switchover j_switchover_faults k_failover l_failover_faults l_failover_of_two
.PHONY: test-faults
test-faults: engine setup ## What goes wrong around a switchover or failover: kills, stops, a host that is gone
	@$(PYTHON) -m lab image 12
	@$(PYTHON) -m pytest $(FAULTS:%=tests/site/test_%.py) --long

.PHONY: format
format: setup ## Rewrite the Python files as ruff formats them
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

.PHONY: docs-table
docs-table: setup ## Rewrite what is generated: the page of checks, the README of each role
	@$(PYTHON) tools/checks_table.py
	@$(PYTHON) tools/role_readmes.py

.PHONY: bench
bench: engine setup ## Ratios against named peers, into build/bench.json (ONLY=name)
	@$(PYTHON) -m lab image 12
	@$(PYTHON) -m bench $(ONLY)

.PHONY: lock
lock: ## Move the locked versions of the Python tools
	@tools/setup --lock

.PHONY: clean
clean: ## Remove the containers, networks, images and virtualenv made here
	@tools/clean
