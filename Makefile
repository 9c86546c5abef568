# Everything happens in .venv, made on first use. `make demo` and `make test` each work as the only command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow lint format labelstudio clean browser

demo: $(VENV)/.installed browser
	$(BIN)/bodyshop demo $(DEMO_ARGS)

test: $(VENV)/.installed-dev browser lint
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/.installed-dev browser
	$(BIN)/python -m pytest -m slow --timeout 1500

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

labelstudio: $(VENV)/.installed
	$(BIN)/bodyshop label serve

browser:
	sh scripts/ensure-browser.sh

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev,dask]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
