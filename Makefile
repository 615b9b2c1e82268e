# make run    everything from a fresh checkout: environment, database, demo clinic, server on 127.0.0.1:8000
# make test   everything that must hold: format, lint, layers, types, tests on SQLite and PostgreSQL
# make torture  the long form of what tries to break delivery: an hour or more; ONLY=kill runs what has that in its name
# make bench  the figures of what to beat, as ratios, in one run; ONLY="P4 P5" for some of them
# make audit  whether a weakness is known of anything in the lock files; asks a service on the internet, as tests never do
# make lock   resolve the dependencies anew (needs uv); commits hashes, never index addresses

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test torture bench audit lock check tests clean

run: $(VENV)/.run
	@exec $(BIN)/homestretch demo

# Side by side, and three processes for two processors: what waits, is killed, or asks PostgreSQL leaves one idle.
test: $(VENV)/.dev
	@$(MAKE) --no-print-directory -j 2 check tests

tests: $(VENV)/.dev
	$(BIN)/pytest -q -n 3 --dist worksteal

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

torture: $(VENV)/.dev
	TORTURE=long HYPOTHESIS_PROFILE=long $(BIN)/pytest tests/torture tests/service/test_story.py -q -s -k "$(ONLY)"

bench: $(VENV)/.bench
	$(BIN)/python -m tests.benchmarks $(ONLY)

# A stamp file a step: a second `make run` installs nothing and starts at once.
$(VENV)/bin/python:
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Homestretch needs Python 3.11 or newer; this is " + sys.version)'
	@$(PYTHON) -m venv $(VENV)

# pip reads both lock files with --require-hashes, then links the checkout itself, so that `homestretch` is a command.
INSTALL = $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r $(1) \
	&& $(BIN)/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing the locked dependencies (about a minute, the first time only)"
	@$(call INSTALL,requirements.txt)
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing the locked dependencies and the tools of the tests (about a minute, the first time only)"
	@$(call INSTALL,requirements-dev.txt)
	@touch $@ $(VENV)/.run

$(VENV)/.bench: requirements-bench.txt pyproject.toml | $(VENV)/.dev
	@echo "installing the peers that are measured beside us"
	@$(call INSTALL,requirements-bench.txt)
	@touch $@

# Strict, as what the service could not be asked about would else count as sound. From a virtual environment of its own, so
# that what looks is apart from what is looked at. FROM="--osv-url ..." asks another service of the same form.
audit: $(VENV)/audit/.done
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --vulnerability-service osv $(FROM) \
		$(addprefix -r ,$(wildcard requirements*.txt))

$(VENV)/audit/.done: requirements-audit.txt | $(VENV)/bin/python
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-audit.txt
	@touch $@

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --group build -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --group build --group dev -c requirements.txt -o requirements-dev.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --group build --group dev --group bench -c requirements-dev.txt -o requirements-bench.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --group audit -o requirements-audit.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
