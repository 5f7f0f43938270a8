# make install | ui | types | demo | test | test-faults | test-load | test-cluster. Everything lives in
# .venv; a second run starts in seconds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
TORCH := 2.13.0
STAMP := $(VENV)/.installed
UI := pdray/ui/dist/.sources
UI_SOURCES := $(shell find pdray/ui building -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name '*.pyc')

.PHONY: install ui types demo test lint test-faults test-load test-cluster clean
install: $(STAMP) $(UI)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("pdray needs Python 3.11 or newer; set PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

# The CPU build of torch is a tenth of the CUDA build: take it unless GPU=1 asks for the other.
$(STAMP): pyproject.toml constraints.txt $(BIN)/python
ifdef GPU
	$(PIP) install -q 'torch==$(TORCH)'
else
	$(PIP) install -q 'torch==$(TORCH)+cpu' 2>/dev/null \
	  || $(PIP) install -q 'torch==$(TORCH)+cpu' --index-url https://download.pytorch.org/whl/cpu 2>/dev/null \
	  || $(PIP) install -q 'torch==$(TORCH)'
endif
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	touch $@

# The page. Node is the system's, or else comes from a Python package.
ui: $(UI)
$(UI): $(UI_SOURCES) | $(STAMP)
	needs=$$($(BIN)/python building/page.py requires) && { [ -z "$$needs" ] || $(PIP) install -q $$needs; }
	$(BIN)/python building/page.py build
	touch $@

# The types of the API for the page: after a change of what the API takes or answers.
types: install
	$(BIN)/python building/api_types.py

demo: install
	$(BIN)/pdray demo $(if $(IMAGES),--images '$(IMAGES)')

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python building/page.py lint

test: lint
	$(BIN)/pytest -n 2 --no-loadscope-reorder

test-faults: install
	$(BIN)/pytest -m faults

test-load: install
	$(BIN)/pytest -m load -s

test-cluster: install
	$(BIN)/pytest -m cluster

clean:
	rm -rf $(VENV) demo pdray/ui/dist pdray/ui/node_modules
