# The doors of the project. Each one first makes sure of the environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
STAMP := $(VENV)/.installed-dev

.PHONY: env demo test check format lint types layers spelling bench science docs clean

env: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: env  ## the whole spine on a small simulated dataset
	$(BIN)/tomoset demo $(DEMO)

test: env  ## all tests
	$(BIN)/python -m pytest -n 2

check: env format lint types layers spelling test  ## everything that CI asks for

format: env
	$(BIN)/ruff format --check src tests benchmarks

lint: env
	$(BIN)/ruff check src tests benchmarks

types: env
	$(BIN)/mypy

layers: env
	$(BIN)/lint-imports

spelling: env
	$(BIN)/typos

bench: env  ## cost of the kernels, one JSON line a figure
	$(BIN)/python benchmarks/run.py speed

science: env  ## accuracy against simulated truth, one JSON line a figure
	$(BIN)/python benchmarks/run.py science

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
