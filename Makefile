# Every target does its own set-up: system libraries for Qt, a virtual environment, the locked packages.
PYTHON := $(shell for p in python3.12 python3.11 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo run test check bench lock catalogue

demo: $(READY)  ## build simulated patients and show the main job
	$(BIN)/breastview demo

run: $(READY)  ## open the window
	$(BIN)/breastview

test: $(READY)  ## the whole suite, then everything that needs no window once more with Qt blocked
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -q
	BREASTVIEW_WITHOUT_QT=1 $(BIN)/python -m pytest -q --ignore=tests/ui --ignore=tests/e2e -p no:pytestqt

check: $(READY)  ## static checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python resources/translations/catalogue.py check

bench: $(READY)  ## print the benchmark table and write benchmarks.json
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m tests.benchmarks

lock:  ## renew requirements.lock from pyproject.toml
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 --extra train --extra dev pyproject.toml -o requirements.lock

$(READY): requirements.lock pyproject.toml installer/system-libraries
	@installer/system-libraries
	@test -n "$(PYTHON)" || { echo "BreastView needs Python 3.11 or newer"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

catalogue: $(READY)  ## add new texts to the translations, to be filled by hand
	$(BIN)/python resources/translations/catalogue.py update
