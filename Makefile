# Two commands do everything on a fresh machine with Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two test workers on two cores: one thread of arithmetic each.
TEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2
OUT ?= demo-output

.PHONY: demo test coverage check lint docs notebooks bench clean

demo: $(VENV)/installed  ## install, then run the whole job on a year of real groceries
	$(BIN)/crmintel demo --out $(OUT)

test: $(VENV)/installed  ## install, then run every test
	$(TEST)

coverage: $(VENV)/installed  ## the same with branch coverage, slower
	$(TEST) --cov --cov-report=term:skip-covered

check: lint  ## lint, types and the fast tests
	$(TEST) -q -m "not slow"

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: $(VENV)/installed  ## run the notebooks of examples/; their stored outputs are not touched
	$(BIN)/python examples/run.py --check

docs: $(VENV)/installed  ## the site, in build/docs; a warning fails
	$(BIN)/python docs/generate.py
	PYTHONPATH=src OMP_NUM_THREADS=1 $(BIN)/sphinx-build -q -n -W --keep-going -d build/doctrees -b html docs build/docs
	@echo "The site: build/docs/index.html"

bench: $(VENV)/installed  ## measure; one JSON object a line
	$(BIN)/python -m benchmarks.foundation
	$(BIN)/python -m benchmarks.features
	$(BIN)/python -m benchmarks.segmentation
	$(BIN)/python -m benchmarks.churn
	$(BIN)/python -m benchmarks.value
	$(BIN)/python -m benchmarks.recommend
	$(BIN)/python -m benchmarks.actions
	$(BIN)/python -m benchmarks.shipping
	$(BIN)/python -m benchmarks.people

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,demo]'
	touch $@

clean:
	rm -rf $(VENV) $(OUT) build docs/api docs/gallery src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage
