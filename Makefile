# Two commands for users: `make demo` and `make test`. The others are for those who change the code.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
OTHER_PYTHONS ?= 3.12 3.13

.PHONY: demo test test-full test-browser test-pythons test-handover docs wheel lint format clean

demo: $(VENV)/.installed
	$(BIN)/steadyvelo demo --out demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

# slow tests too, with coverage
test-full: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "slow or not slow" --cov --cov-report=term:skip-covered

# the report in a browser, which is installed where it is missing (Debian, as root)
test-browser: $(VENV)/.installed-browser
	@command -v chromedriver > /dev/null || \
	  (apt-get update -qq && apt-get install -y -qq chromium chromium-driver > /dev/null)
	STEADYVELO_BROWSER=needed $(BIN)/python -m pytest tests/report/test_browser.py

# the tests on each of the other Pythons that this machine has
test-pythons:
	@for version in $(OTHER_PYTHONS); do \
	  python=$$(PYTHON_VERSION=$$version sh .ci/find-python) || { echo "no Python $$version here: not tested on it"; continue; }; \
	  echo "== $$($$python --version)"; \
	  $(MAKE) test PYTHON=$$python VENV=.venv-$$version || exit 1; \
	done

# scVelo and CellRank on our results, in one environment with this package
test-handover: .venv-neighbours/.installed
	.venv-neighbours/bin/python -m pytest tests/interop

.venv-neighbours/.installed: tests/interop/requirements.txt pyproject.toml
	$$(PYTHON_VERSION=3.12 sh .ci/find-python) -m venv .venv-neighbours
	.venv-neighbours/bin/python -m pip install --quiet -r tests/interop/requirements.txt -e ".[test]"
	touch $@

# the documentation; a warning is an error
docs: $(VENV)/.installed-docs
	rm -rf docs/_build docs/generated
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
	rm -rf .venv .venv-* demo build dist docs/_build docs/generated docs/api.md htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache
