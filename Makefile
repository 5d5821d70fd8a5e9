# The doors of the project. Each one first makes sure of the environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
STAMP := $(VENV)/.installed-dev

.PHONY: env demo test check format lint types layers spelling bench science interop clean

env: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: env  ## the whole spine on a small simulated dataset
	$(BIN)/tomoset demo $(DEMO)

test: env  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: env format lint types layers spelling test  ## everything that CI asks for

format: env
	$(BIN)/ruff format --check src tests benchmarks

lint: env
	$(BIN)/ruff check --no-cache src tests benchmarks  # its cache does not see which modules are new

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

# copick 1.x pins zarr < 3, so the peers live in environments of their own; warpylib shares our torch.
WARPYLIB := warpylib==1.1.2 lxml==6.1.3 einops==0.8.2 torch-subpixel-crop==0.6.0 torch-grid-utils==0.6.0 \
	torch-fourier-shift==0.6.0
interop: env  ## our files in the peers' own readers: copick, the data portal's converter, Warp's, IMOD models, Dynamo, TOM
	test -x .venv-copick/bin/python || $(PYTHON) -m venv .venv-copick
	.venv-copick/bin/python -m pip install --quiet --disable-pip-version-check 'copick==1.31.0'
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check 'cryoet-alignment==0.2.0' 'yaozarrs==0.3.4' \
		'imodmodel==0.1.0' 'eulerangles==1.0.2'
	test -d .venv-warpylib/warpylib || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target .venv-warpylib $(WARPYLIB)
	TOMOSET_COPICK_PYTHON=$(CURDIR)/.venv-copick/bin/python TOMOSET_PEER_PYTHON=$(CURDIR)/.venv-peers/bin/python \
		TOMOSET_WARPYLIB=$(CURDIR)/.venv-warpylib $(BIN)/python -m pytest tests/interop

clean:
	rm -rf $(VENV) .venv-copick .venv-peers .venv-warpylib .pytest_cache .mypy_cache .ruff_cache build dist
