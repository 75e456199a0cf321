# `make demo` and `make test` need a Debian machine, root, and nothing else; they set up the rest themselves.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
LAB := $(BIN)/python -m lab

# Compiled files are kept wherever this runs: without them each worker of pytest rewrites the assertions of all tests,
# and each `migrator` that a test starts compiles the whole package.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check lint unit lab-tests field chaos fuzz mutants lock proto probe lab-up lab-down host clean

help: ## Show the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: host $(VENV)/ready ## Migrate a real node of the lab from Docker to containerd.
	$(BIN)/python -m lab.demo

test: host lint ## Run the whole test suite, on real nodes too.
	$(BIN)/python -m tests.suite test

check: $(VENV)/ready ## Lint, types and unit tests, side by side: no root, no nodes, under a minute.
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint unit

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/ansible-lint -q

unit: $(VENV)/ready
	$(BIN)/python -m tests.units --hypothesis-profile few

lab-tests: lab-up ## Run the tests that need nodes.
	$(BIN)/pytest -v tests/lab

field: lab-up ## Run what takes hours: sabotage, healthy nodes, cgroup v1, critest (before a release).
	$(BIN)/pytest -v -s tests/field

chaos: host $(VENV)/ready ## Cut transactions on real nodes short, and break everything around a migration.
	$(BIN)/python -m tests.suite chaos

SECONDS ?= 600
fuzz: host $(VENV)/ready ## Compare our readers with the real programs, on made-up files (root; SECONDS=3600 WORDS="units containerd").
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(WORDS)

mutants: $(VENV)/ready ## Break the code in small ways and see whether tests notice (root; WORDS="--group c --sample 20").
	$(BIN)/python -m tests.mutants $(WORDS)

lab-up: host $(VENV)/ready ## Start the lab's cluster.
	$(LAB) up

lab-down: $(VENV)/ready ## End everything that the lab started.
	$(LAB) down

# The packages that the lab needs, installed only where some are missing.
host: $(VENV)/ready
	@$(LAB) check >/dev/null 2>&1 || { apt-get update -q && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$($(LAB) packages); }
	@$(LAB) check

$(VENV)/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { apt-get update -q && apt-get install -q -y python3-venv; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $@

lock: $(VENV)/ready ## Write requirements.txt anew from pyproject.toml: exact versions with hashes, no index named.
	$(BIN)/python -m piptools compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --extra test --extra lint --extra dev --output-file requirements.txt pyproject.toml

proto: $(VENV)/ready ## Write the messages of CRI anew from migrator/cri/api.proto.
	$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. migrator/cri/api.proto

probe: $(VENV)/ready ## Make the images of the probe anew from migrator/proof/image/src.
	$(BIN)/python -m lab.probe_image

clean: ## Remove what was built in this checkout; the lab's cache stays.
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
