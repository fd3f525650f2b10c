# Every target does its own set-up; nothing has to be run before it.
#   make test PYTHON=/path/to/python   uses an interpreter that has everything already
#   make test BASE_PYTHON=python3.12   builds .venv with another Python (3.11 or newer)

SHELL := /bin/bash
.DEFAULT_GOAL := help
BASE_PYTHON ?= python3
VENV := .venv

ifdef PYTHON
PY := $(PYTHON)
READY :=
BENCH_READY :=
READERS_READY :=
else
PY := $(VENV)/bin/python
READY := $(VENV)/.installed
BENCH_READY := $(VENV)/.bench
READERS_READY := $(VENV)/.readers
endif

SCALE ?= 1
PYTEST_ARGS ?= -n auto --dist loadgroup

# Nothing the project starts reports home.
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1

.PHONY: help demo test crash differential readers publishes lint format docs real-data bench growth profile constraints clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | \
		while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

# The stamp is written last: an interrupted installation starts over.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make BASE_PYTHON=python3.12 ..." >&2; exit 2; }
	$(BASE_PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

$(VENV)/.bench: $(VENV)/.installed
	$(PY) -m pip install --quiet -c constraints.txt -e '.[bench]'
	@touch $@

$(VENV)/.readers: $(VENV)/.installed
	$(PY) -m pip install --quiet -c constraints.txt --upgrade --target $(VENV)/readers \
		'pysail>=0.7,<0.8' 'pyspark-client>=4.2,<4.3'
	@touch $@

demo: $(READY) ## Two generated offices, from PostgreSQL and CSV into a warehouse at data/demo
	$(PY) -m demo

readers: $(READERS_READY) ## Install Sail and its client, for the test of four engines

test: $(READY) $(READERS_READY) ## Run all tests (PYTEST_ARGS='-k name' narrows it down)
	$(PY) -m pytest $(PYTEST_ARGS)

crash: $(READY) ## Kill 300 runs in every phase and anywhere (CRASH='--seed 7': the same again)
	$(PY) -m tests.crash $(CRASH)

differential: $(READY) ## Play random histories through ours and dlt (HISTORIES=150: about ten minutes)
	LIENTHONG_HISTORIES=$(or $(HISTORIES),150) $(PY) -m pytest -q -s -p no:xdist tests/differential

lint: $(READY) ## ruff and mypy --strict
	$(PY) -m ruff check .
	$(PY) -m mypy

format: $(READY) ## Lay the code out the way ruff does
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

docs: $(READY) ## Write the generated pages of docs/ again
	$(PY) scripts/generate_docs.py

real-data: $(READY) ## Sync the real records of ../shared/data; write docs/real-data.md, sources-new.md
	$(PY) -m tests.real.report
	$(PY) -m tests.real.proposed.page

publishes: $(READY) ## 100 publishes under four readers, files deleted meanwhile; takes minutes
	LIENTHONG_PUBLISHES=100 $(PY) -m pytest tests/flows/test_publishes.py -s

bench: $(BENCH_READY) ## Measure beside limits and peers (BENCH=rest: one group; SCALE=0.05: small)
	$(PY) -m benchmarks --scale $(SCALE) $(BENCH)

growth: $(BENCH_READY) ## Measure a first load of 100 k to 10 M rows; draw docs/img/growth.svg
	$(PY) -m benchmarks --scale $(SCALE) growth

profile: $(BENCH_READY) ## Show where CPU and wall time go (BENCH=load, changes, events, silent, busy)
	$(PY) -m benchmarks --scale $(SCALE) profile $(BENCH)

constraints: ## Resolve everything anew, unpinned, and write constraints.txt
	scripts/freeze-constraints.sh $(BASE_PYTHON)

clean: ## Remove the virtual environment and caches (the demo's warehouse in data/ stays)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build
