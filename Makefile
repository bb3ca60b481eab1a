# The one-machine stack and the checks. Works with the GNU make 3.81 of macOS.
#
#   make demo    start everything, run the history job once, leave the stack up
#   make down    stop what make demo started
#   make test    all tests, from nothing, leaving nothing running
#   make check   lint, types, SQL, generated pages
#   make bench   speed and cost, written to docs/performance.md; SCENES=reads for one of its scenes
#   make docs    write the generated pages
#
# PYTHON=/path/to/python3 chooses the interpreter, MARKETDATA_AIRFLOW_PORT=8081 Airflow's port.

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$python -c '$(NEW_ENOUGH)' 2>/dev/null; then echo $$python; break; fi; done)
endif
VENV_PYTHON := .venv/bin/python
SQL := include/sql

.PHONY: demo down test check bench docs venv venv-dev python

demo: venv
	@$(VENV_PYTHON) -m local.demo up $(DEMO_OPTIONS)

down:
	@if [ -x $(VENV_PYTHON) ]; then $(VENV_PYTHON) -m local.demo down; else echo "Nothing was up."; fi

test: venv-dev
	$(VENV_PYTHON) -m pytest $(TESTS)

check: venv-dev
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	$(VENV_PYTHON) -m sqlfluff lint $(SQL)
	$(VENV_PYTHON) -m local.docs --check

bench: venv-dev
	$(VENV_PYTHON) -m tests.bench $(SCENES)

docs: venv
	$(VENV_PYTHON) -m local.docs
	$(VENV_PYTHON) -m local.command_page

venv: python
	@$(PYTHON) local/bootstrap.py requirements.txt

venv-dev: python
	@$(PYTHON) local/bootstrap.py requirements-dev.txt

python:
	@if ! $(or $(PYTHON),python3) -c '$(NEW_ENOUGH)' 2>/dev/null; then \
		echo "Failed"; \
		echo "  what: no Python 3.11 or newer"; \
		echo "  why:  $(or $(PYTHON),python3) is `$(or $(PYTHON),python3) -V 2>&1 | head -1`"; \
		echo "  next: install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; \
		exit 1; \
	fi >&2
