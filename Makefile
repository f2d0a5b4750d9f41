# Each target makes its own virtual environment when it is missing. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
SECONDS ?= 20
JOBS ?= 4
RUNS ?= 5
MINUTES ?= 10
SEED ?= $(shell date +%s)
export PYTHONDONTWRITEBYTECODE = # the tests start hundreds of processes; none should compile what another one did
SOAK_S = $(if $(filter-out file,$(origin SECONDS)),$(SECONDS),$(shell expr $(MINUTES) \* 60))

.PHONY: help demo test faults soak bench lint format reference test-tools bench-tools clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.demo ## Inspect solar cells on a belt for SECONDS (20) seconds
	@$(VENV)/bin/lineside demo --seconds $(SECONDS)

test: $(VENV)/.test test-tools ## Run the tests (at most 8 minutes)
	$(VENV)/bin/python -m pytest -q -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

faults: $(VENV)/.test test-tools ## Inject every fault (40 minutes) and print the table of what it cost; SEED repeats a run
	$(VENV)/bin/python -m pytest -q -n $(JOBS) --dist worksteal tests/faults tests/e2e/test_versions.py tests/integration/test_keys_page.py --faults=all --faults-seed=$(SEED) \
		--faults-table=build/faults.md $(PYTEST_ARGS)

soak: $(VENV)/.test test-tools ## Mixed faults at random moments for MINUTES (10) or SECONDS; fails on loss, disorder and growth
	@PYTHONPATH=tests/support $(VENV)/bin/python tests/faults/soak.py --seconds $(SOAK_S) --seed $(SEED) --report build/soak

bench: $(VENV)/.demo bench-tools ## Measure against bounds and peers (45 minutes), or some: BENCH="latency start"
	@export LINESIDE_TEST_ASSETS="$${LINESIDE_TEST_ASSETS:-$$(cd ../shared/assets 2>/dev/null && pwd)}" && \
		$(VENV)/bin/python -m benchmarks $(BENCH) --runs $(RUNS) $(BENCH_ARGS)

lint: $(VENV)/.lint ## ruff, mypy --strict, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.lint ## Mend what can be mended
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

reference: $(VENV)/.demo ## Write the generated part of docs/reference
	$(VENV)/bin/python -m agent.config.reference
	$(VENV)/bin/python -m agent.cli.reference
	$(VENV)/bin/python -m agent.mqtt.reference

test-tools: # mosquitto, ffmpeg and an RTSP server: installed where that is allowed, else named
	@tests/install-tools

bench-tools: # mosquitto, ffmpeg and what the peers need of the distribution: installed where that is allowed, else named
	@benchmarks/install-tools

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

EXTRAS_test = test,publish

$(VENV)/.demo $(VENV)/.test $(VENV)/.lint: $(VENV)/.%: $(VENV)/bin/python pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(or $(EXTRAS_$*),$*)]'
	@touch $@

clean: ## Remove what the targets made
	rm -rf $(VENV) benchmarks/.venvs benchmarks/.cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
