# Two commands for users: `make demo` and `make test`. The others are for those who change the code.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# how many tests run at once
WORKERS ?= 2
PYTEST_ARGS ?=

.PHONY: demo test test-slow test-full test-browser test-handover test-compat test-oldest \
  test-prerelease test-kill fuzz full docs wheel lint format clean

# COVERAGE=yes: `make test` counts the lines that run, `make test-slow` adds to them and reports
ifdef COVERAGE
test: PYTEST_ARGS += --cov --cov-report= --cov-fail-under=0
test-slow: PYTEST_ARGS += --cov --cov-append --cov-report=term:skip-covered
endif

demo: $(VENV)/.installed
	$(BIN)/steadyvelo demo --out demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

test-slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m slow -n $(WORKERS) $(PYTEST_ARGS)

# every test once, with coverage
test-full:
	$(MAKE) test COVERAGE=yes
	$(MAKE) test-slow COVERAGE=yes

# the report in a browser, which is installed where it is missing (Debian, as root)
test-browser: $(VENV)/.installed-browser
	@command -v chromedriver > /dev/null || \
	  (apt-get update -qq && apt-get install -y -qq chromium chromium-driver > /dev/null)
	STEADYVELO_BROWSER=needed $(BIN)/python -m pytest tests/report/test_browser.py

# the default tests on Python 3.12 in one environment with scVelo and CellRank, which read our results
test-handover: .venv-neighbours/.installed
	.venv-neighbours/bin/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

# what other versions may break (files, steps, pictures, other packages), on the newest Python
test-compat: .venv-3.13/.installed
	.venv-3.13/bin/python -m pytest -m "compat and not slow" -n $(WORKERS) $(PYTEST_ARGS)

# the same with exactly the oldest dependencies that pyproject.toml allows
test-oldest: .venv-oldest/.installed
	.venv-oldest/bin/python -m pytest -m "compat and not slow" -n $(WORKERS) $(PYTEST_ARGS)

# the same with versions that are not released yet: what they will break is reported
test-prerelease:
	$$(PYTHON_VERSION=3.13 sh .ci/find-python) -m venv .venv-prerelease
	.venv-prerelease/bin/python -m pip install --quiet --pre --upgrade -e ".[test]"
	.venv-prerelease/bin/python -m pip freeze | grep -E "(a|b|rc|dev)[0-9]+$$" || true
	.venv-prerelease/bin/python -m pytest -m "compat and not slow" -n $(WORKERS) $(PYTEST_ARGS)

# runs that are killed, ended by a scheduler, or meet a full disk, KILLS times for each signal
KILLS ?= 12
test-kill: $(VENV)/.installed-test
	KILLS=$(KILLS) $(BIN)/python -m pytest -m kill -s $(PYTEST_ARGS) tests/cli/test_kill.py

# N damaged inputs for every reader
N ?= 200
fuzz: $(VENV)/.installed-test
	$(BIN)/python -m tests.fuzz --number $(N)

# every test in every environment: longer than the checks of each change
full: test-full test-browser .venv-neighbours/.installed .venv-3.13/.installed .venv-oldest/.installed
	for folder in .venv-neighbours .venv-3.13 .venv-oldest; do \
	  echo "== $$folder"; \
	  $$folder/bin/python -m pytest -m "not kill" -n $(WORKERS) $(PYTEST_ARGS) || exit 1; \
	done

.venv-neighbours/.installed: tests/interop/requirements.txt pyproject.toml
	$$(PYTHON_VERSION=3.12 sh .ci/find-python) -m venv .venv-neighbours
	.venv-neighbours/bin/python -m pip install --quiet -r tests/interop/requirements.txt -e ".[test]"
	touch $@

.venv-3.13/.installed: pyproject.toml
	$$(PYTHON_VERSION=3.13 sh .ci/find-python) -m venv .venv-3.13
	.venv-3.13/bin/python -m pip install --quiet -e ".[test]"
	touch $@

.venv-oldest/.installed: .ci/oldest.py pyproject.toml
	$$(PYTHON_VERSION=3.11 sh .ci/find-python) -m venv .venv-oldest
	.venv-oldest/bin/python .ci/oldest.py > .venv-oldest/constraints.txt
	.venv-oldest/bin/python -m pip install --quiet -c .venv-oldest/constraints.txt -e ".[test]"
	touch $@

# the documentation; a warning is an error
docs: $(VENV)/.installed-docs
	rm -rf docs/_build docs/generated docs/api docs/api.md
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# the package as it will be installed: built, installed alone, and run outside this folder
wheel:
	rm -rf dist .venv-wheel
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	.venv-wheel/bin/python -m pip install --quiet dist/*.whl
	folder=$$(mktemp -d) && cd "$$folder" && "$(CURDIR)/.venv-wheel/bin/steadyvelo" demo --out demo \
	  && test -s demo/result_report.html

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python -p tests/typing
	$(BIN)/towncrier build --draft --version next > /dev/null

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[test]"
	touch $@

$(VENV)/.installed-browser: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[browser]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[docs]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.created pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

clean:
	rm -rf .venv .venv-* demo build dist docs/_build docs/generated docs/api docs/api.md htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache
