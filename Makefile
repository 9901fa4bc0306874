# Every target does its own set-up: system libraries for Qt, a virtual environment, the locked packages.
BIN := .venv/bin
LOCKED := .venv/.locked
READY := .venv/.ready
COHORT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/breastview/tables-cohort

.PHONY: help demo run test check bench tables lock catalogue

help:  ## say what can be made
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(MAKEFILE_LIST)

demo: $(READY)  ## build simulated patients and show the whole job on them
	$(BIN)/breastview demo

run: $(READY)  ## open the window
	$(BIN)/breastview

test: $(READY)  ## the whole suite: what needs no window with Qt blocked, then the window
	BREASTVIEW_WITHOUT_QT=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -p no:pytest-qt \
		--numprocesses auto --maxprocesses 8 --dist loadfile --ignore=tests/ui --ignore=tests/e2e
	$(BIN)/python -m pytest -q tests/ui tests/e2e

check: $(READY)  ## static checks: style, types, import directions, translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python resources/translations/catalogue.py check

bench: $(READY)  ## print the benchmark table and write benchmarks.json
	$(BIN)/python -m tests.benchmarks

tables: $(READY)  ## the paper's tables from simulated patients, in build/tables: within an hour; killed, it goes on
	$(BIN)/python -m model_training cohort simulate $(COHORT) --train 240 --validation 80 --test 120 --variants 3
	$(BIN)/python -m model_training tables $(COHORT) build/tables --preset small

catalogue: $(READY)  ## add new texts to the translations, to be filled by hand
	$(BIN)/python resources/translations/catalogue.py update

lock: $(READY)  ## renew requirements.lock from pyproject.toml, keeping the versions that still fit
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.11 --extra train --extra dev pyproject.toml -o requirements.lock

$(LOCKED): requirements.lock
	installer/set-up
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
