# Two commands matter: `make lab` opens the course, `make test` runs everything.
# Both make .venv first if it is not there. README.md has the plain commands behind them, for Windows too.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Passed on to JupyterLab: make lab ARGS="--no-browser --port 8899"
ARGS ?=

.PHONY: help lab test matrix app assignment site class notebooks calibrate scoreboard compare bench mutants format clean

help:
	@echo "make lab         open the course in JupyterLab (ARGS=\"--no-browser --port 8899\" are passed on)"
	@echo "make test        lint, types, unit tests, notebooks, panels, browser"
	@echo "make app         the experiments alone, without code (ARGS=\"--no-browser --port 8866\" are passed on)"
	@echo "make site        the course as a static book, and its chapters alive in any browser (into build/site)"
	@echo "make assignment  homework: ARGS=\"release 06\", then \"grade 06\", then \"results\""
	@echo "make class       JupyterHub for a class on this machine (ARGS=\"--port 8000 --roster names.txt\")"
	@echo "make matrix      the tests on Python 3.11 to 3.13, on the oldest and the newest dependencies (ARGS=3.12 for one)"
	@echo "make notebooks   execute the chapters in place (NOTEBOOKS=\"notebooks/06*.ipynb\" for some)"
	@echo "make calibrate   fit the models' constants on the published measurements (FAMILY=gemm for one)"
	@echo "make scoreboard  score every table of measurements and write the table into README.md"
	@echo "make compare      this package beside its peers on the same published training steps (installs them)"
	@echo "make bench       control latency, import time, evaluations a second"
	@echo "make mutants     does a test mind if a model is changed? (ARGS=\"memory cost --sample 40\" for parts and a sample; all: hours)"
	@echo "make format      ruff over code and notebooks"

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dcserver needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.lab: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[lab]'
	touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

lab: $(VENV)/.lab
	$(BIN)/python -m jupyterlab notebooks/00_start_here.ipynb $(ARGS)

test: $(VENV)/.test
	$(BIN)/python tools/stages.py

$(VENV)/.app: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[lab,app]'
	touch $@

$(VENV)/.site: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[lab,site]'
	touch $@

$(VENV)/.assignment: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[lab,assignment]'
	touch $@

assignment: $(VENV)/.assignment
	$(BIN)/python tools/assignment.py $(ARGS)

$(VENV)/.class: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[lab,class]'
	touch $@

class: $(VENV)/.class
	$(BIN)/python tools/classroom/start.py $(ARGS)

app: $(VENV)/.app
	$(BIN)/python tools/app/serve.py $(ARGS)

# PYODIDE_URL=address of a local copy's pyodide.js: the live chapters then need nothing from outside.
site: $(VENV)/.site
	$(BIN)/python tools/site/build.py $(ARGS)

NOTEBOOKS ?= $(wildcard notebooks/*.ipynb)
notebooks: $(VENV)/.test
	$(BIN)/python tools/notebooks.py $(NOTEBOOKS)

matrix: $(BIN)/python
	$(BIN)/python tools/matrix.py $(ARGS)

calibrate: $(VENV)/.test
	$(BIN)/python tools/calibrate.py $(FAMILY)

scoreboard: $(VENV)/.test
	$(BIN)/python tools/scoreboard.py

compare: $(VENV)/.test
	$(BIN)/python tools/compare.py

bench: $(VENV)/.test
	$(BIN)/python tools/bench.py

$(VENV)/.mutants: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test,mutants]'
	touch $@

mutants: $(VENV)/.mutants
	$(BIN)/python tools/mutants.py $(ARGS)

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache screenshots
