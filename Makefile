# `make run` opens the desktop app, `make test` checks everything. Both set up what they need first: see scripts/setup.

.DEFAULT_GOAL := help
.PHONY: help run test lint setup clean

PYTHON ?=
export PYTHON

# Some machines forbid it for all programs. Then each of the many programs that the tests start would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

PYTEST_ARGS ?=
# Twice as many workers as cores, at most eight: tests/conftest.py
PYTEST = .venv/bin/python -m pytest -n auto

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: ## open the window (ARGS='--profile work' are passed on)
	@scripts/setup desktop
	@.venv/bin/grapevine $(ARGS)

test: lint ## check everything but the slow half, 4 minutes on two quiet cores
	@$(PYTEST) -m "not slow" $(PYTEST_ARGS) || .venv/bin/python -m tests.support.second_look $$?

.PHONY: test-slow
test-slow: setup ## the slow half: before a release, and after work on uTP, punches, brokers or the bundle
	$(PYTEST) -m "slow or hypothesis" $(PYTEST_ARGS)

.PHONY: compile
compile: setup ## compile the engines by mypyc, a minute or two; they are used while their sources are as they were
	.venv/bin/python -m scripts.engines

# What runs compiled, and what is built on it. Elsewhere the tests use pure Python, whatever was compiled.
ON_ENGINES = tests/wire tests/utp tests/dht tests/grape tests/punch tests/streams tests/limits tests/net tests/rpc tests/secure \
	tests/tunnel tests/torture tests/fuzz tests/sim tests/datagrams tests/nat tests/relay tests/reach tests/news \
	tests/trust tests/serving tests/calling tests/peer tests/grenache tests/test_compiled.py

.PHONY: test-compiled
test-compiled: setup ## the engines' tests, torture and the fuzz targets' corpus on the compiled engines
	.venv/bin/python -m scripts.engines --if-needed
	GRAPEVINE_ENGINES=compiled $(PYTEST) -m "not slow" $(ON_ENGINES) $(PYTEST_ARGS)

.PHONY: coverage
coverage: setup ## the same tests as `make test`, and how much of the code they ran, by package
	$(PYTEST) -m "not slow" --cov --cov-report= $(PYTEST_ARGS)
	.venv/bin/python scripts/coverage.py

.PHONY: bench
bench: setup ## measure ours and the Node peer side by side, under 5 minutes (ARGS='--full' for all of it)
	.venv/bin/python -m benchmarks $(ARGS)

.PHONY: bundle
bundle: ## build dist/grapevine and its tar.gz, to hand to who has no Python
	@scripts/setup bundle
	.venv/bin/python scripts/bundle.py

.PHONY: natlab
natlab: setup ## try every pair of networks with a broker between, under 15 minutes, as root (ARGS="--only 'linux x *'")
	.venv/bin/python -m tests.natlab $(ARGS)

.PHONY: fuzz
fuzz: setup ## fuzz every parser and engine, a minute each (ARGS='--seconds 600 node mux', ARGS=--list)
	@scripts/setup fuzz
	.venv/bin/python -m tests.fuzz.campaign $(ARGS)

.PHONY: docs
docs: setup ## write the pages of docs/ that are made from the code
	GRAPEVINE_ENGINES=python .venv/bin/python -m scripts.reference
	.venv/bin/python -m scripts.state_diagram

lint: setup ## ruff and mypy only
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

setup: ## install what the checks need, and check nothing
	@scripts/setup test

clean: ## remove everything that was made here, the environment included
	rm -rf .venv tests/interop/node_modules build dist core/_engines *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
