# Everything happens in .venv, made on first use. `make demo` and `make test` each work as the only command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

comma := ,
# Build tools warn at length even when all is well: their words are shown when it is not.
define pip_install
	@$(BIN)/python -m pip install --quiet $(1) 2> $(VENV)/install.log || { cat $(VENV)/install.log; exit 1; }
endef

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
	@echo "installing bodyshop and what it needs into $(VENV) (about 2 GB, a few minutes)"
	$(call pip_install,--upgrade pip)
	$(call pip_install,--editable .)
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(call pip_install,--editable '.[dev$(comma)dask$(comma)demo]')
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
