# One command each. `make` alone lists them. Nothing here needs more than Python 3.11+ and make:
# what a target needs, it installs into .venv (Python packages) or, for the browser tests only, by apt.

PYTHON ?= python3
PORT ?= 7071
STATE ?= .local
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run sample test check fix demo bench bench-verification fuzz deaths kill-loop ceremonies tamper enumeration setup browser identity-provider azurite clean

help:  ## list the commands
	@echo "Durable Passkeys. Commands:"
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.runtime $(filter azurite,$(STORAGE))  ## start the app on this machine: register and sign in at http://localhost:7071 (PORT=, STATE=, STORAGE=azurite)
	@exec $(if $(filter azurite,$(STORAGE)),$(BIN)/python -m tests.azurite --folder $(STATE)/azurite -- )$(BIN)/python -m local_host --port $(PORT) --state $(STATE) \
	  --on-ready "$(abspath $(BIN))/python -m passkeys ticket issue --person ada"

sample: $(VENV)/.runtime  ## start the sample application at http://localhost:7080, beside `make run` (PORT= of that)
	@exec $(BIN)/python -m examples.protected_app --issuer http://localhost:$(PORT)

test: $(VENV)/.dev browser identity-provider azurite  ## run the checks that need no style: every test, in a real browser too
	@echo "==> Running the tests (some minutes; three files at a time)"
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev  ## lint, format, types, import rules
	@echo "==> ruff";          $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "==> mypy --strict"; $(BIN)/mypy
	@echo "==> import rules";  $(BIN)/lint-imports

fix: $(VENV)/.dev  ## let ruff mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

demo: $(VENV)/.dev  ## the whole story in ten seconds, in the terminal
	@$(BIN)/python -m demo

bench: $(VENV)/.dev  ## measure ceremonies a second and where the time goes (minutes)
	@$(BIN)/python -m bench

bench-verification: $(VENV)/.dev  ## measure verifications a second beside bare webauthn and bare signatures (minutes)
	@$(BIN)/python -m bench.verification

fuzz: $(VENV)/.dev  ## fuzz the verifier to RUNS=10000000 executions in all (hours); goes on where it stopped
	@$(BIN)/python -m tests.fuzz --runs $(or $(RUNS),10000000)

deaths: $(VENV)/.dev  ## let the host die at every commit of what must survive it, one by one (minutes)
	@DEATHS=all $(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/faults tests/protocol/test_crashes.py

kill-loop: $(VENV)/.dev  ## kill the host at random for MINUTES=5 and check that nothing was lost
	@$(BIN)/python -m tests.faults.kill_loop --minutes $(or $(MINUTES),5)

ceremonies: $(VENV)/.dev azurite  ## run the tests of whole ceremonies above a storage account (Azurite; some minutes)
	@TESTS_STORE=azurite $(BIN)/python -m pytest tests/system

tamper: $(VENV)/.dev  ## attack an audit trail of 100,000 entries at PLACES=1000 places in each way (some minutes)
	@$(BIN)/python -m tests.tampering --places $(or $(PLACES),1000)

enumeration: $(VENV)/.dev  ## study what outsiders can learn from sign-ins, at length, with its figures (minutes)
	@$(BIN)/python -m tests.enumeration

setup: $(VENV)/.dev  ## install everything into .venv

browser: $(VENV)/.dev
	@sh tests/browser/find_or_install.sh

identity-provider: $(VENV)/.dev
	@sh tests/oidc_provider/find_or_install.sh $(BIN)/python

azurite: $(VENV)/.runtime
	@sh tests/azurite/find_or_install.sh $(BIN)/python

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Durable Passkeys needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@echo "==> Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "This Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.runtime: requirements.txt constraints.txt | $(VENV)/bin/python
	@echo "==> Installing the app's packages into $(VENV) (once; under a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo "==> Installing the development tools into $(VENV) (once; a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:  ## remove the environment, caches and local state
	@rm -rf tests/oidc_provider/node_modules tests/azurite/node_modules tests/.node
	@rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz .schemathesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
