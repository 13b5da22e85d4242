# Every target sets up .venv first; once that is done it costs nothing until pyproject.toml or
# constraints.txt changes.
#   make PYTHON=python3.12 setup     another interpreter for a new .venv
#   make JOBS=8 test                 more test workers
#   make PINS= setup                 the newest versions allowed instead of the tested ones
#   make AGAINST=COMMIT bench        speed and results beside those of an older commit

PYTHON ?= python3
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.mecsim-setup

# One thread: the last bits of a result must not depend on the number of cores, and workers must not compete.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export VECLIB_MAXIMUM_THREADS := 1
# Tests start hundreds of interpreters: without bytecode that is kept, each would compile all of mecsim again.
unexport PYTHONDONTWRITEBYTECODE

# uv if it is there, else venv with pip, else venv without ensurepip filled by the pip of $(PYTHON).
define SETUP
has_uv() { command -v uv >/dev/null 2>&1; }
has_pip() { "$$1" -m pip --version >/dev/null 2>&1; }
new_enough() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
fail() { printf 'mecsim: %s\n' "$$@" >&2; exit 1; }

# Scripts and the editable install hold absolute paths: a clone that was moved needs a new .venv.
moved=no
if [ -f $(STAMP) ] && [ "$$(cat $(STAMP))" != "$(CURDIR)" ]; then moved=yes; fi

if [ $$moved = yes ] || ! new_enough $(BIN)/python; then
  found=$$("$(PYTHON)" --version 2>&1) || found="not there"
  new_enough "$(PYTHON)" || fail "Python 3.11 or newer is needed, and '$(PYTHON)' is $$found." \
    "Install one and name it: make PYTHON=python3.12 setup"
  rm -rf $(VENV)
  if has_uv; then
    uv venv --quiet --python "$(PYTHON)" $(VENV)
  elif ! "$(PYTHON)" -m venv $(VENV) >/dev/null 2>&1; then
    rm -rf $(VENV)
    has_pip "$(PYTHON)" || fail "'$(PYTHON)' has neither ensurepip nor pip." \
      "Install one of python3-venv, python3-pip or uv."
    "$(PYTHON)" -m venv --without-pip $(VENV)
  fi
fi

install() {
  if has_uv; then
    uv pip install --quiet --python $(BIN)/python "$$@" -e '$(WHAT)'
  elif has_pip $(BIN)/python; then
    $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) "$$@" -e '$(WHAT)'
  else
    "$(PYTHON)" -m pip --python $(BIN)/python install --quiet --disable-pip-version-check $(PIP_FLAGS) "$$@" -e '$(WHAT)'
  fi
}
echo "mecsim: installing into $(VENV); the first time takes some minutes"
if ! install $(PINS); then
  [ "$(PINS)" = "$(TESTED)" ] || fail "the installation has failed; its messages are above"
  echo "mecsim: the tested versions (constraints.txt) cannot be had here: taking the newest allowed"
  install
fi
printf '%s\n' "$(CURDIR)" >$(STAMP)
endef
export SETUP
WHAT := .[report,sql,cluster,rl,onnx,ecos,test,lint,docs]
TESTED := -c constraints.txt
PINS := $(TESTED)
# For `lowest`: compiling every module takes half a minute, and its tests import few of them.
PIP_FLAGS :=

# A file stays on one worker, so that its tests share what they compute; tests/conftest.py puts slow files first.
WORKERS := -n $(JOBS) --dist loadfile --no-loadscope-reorder

# What touches every dependency in about a minute; `make test` runs everything.
QUICK := $(addprefix tests/unit/test_,$(addsuffix .py,allocation dashf_plus_policy equations export instance_file \
  instance_problems interference lock mobility pathloss population_keys recorder registry results_store \
  results_tables scenario_messages scenario_schema sql stats study_file study_plan trace_csv trace_xml world))

.DEFAULT_GOAL := help
.PHONY: help setup demo test lowest coverage verify bench lint docs dist clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make .venv with mecsim and everything the other targets need

demo: $(STAMP) ## compare policies on a simulated hour of moving users
	$(BIN)/mecsim demo

test: $(STAMP) ## run every test
	$(BIN)/python -m pytest $(WORKERS)

lowest: ## run the quick tests with the lowest versions that pyproject.toml allows; Python 3.11 or 3.12
	mkdir -p build
	"$(PYTHON)" .ci/floors.py >build/floors.txt
	$(MAKE) --no-print-directory setup VENV=build/lowest PINS='-c build/floors.txt' PIP_FLAGS=--no-compile WHAT='.[report,sql,cluster,ecos,test]'
	build/lowest/bin/python -m pytest $(WORKERS) $(QUICK)

coverage: $(STAMP) ## run every test and say which branches none of them takes
	$(BIN)/python -m pytest $(WORKERS) --cov --cov-report=term --cov-report=html --cov-fail-under=90

verify: $(STAMP) ## check the simulator against closed forms, and that each check rejects its bug
	$(BIN)/mecsim verify --mutants --jobs $(JOBS)

bench: $(STAMP) ## measure the speed; with AGAINST=COMMIT, compare it with an older commit
ifdef AGAINST
	$(BIN)/python tests/bench/against.py --against $(AGAINST)
else
	$(BIN)/python tests/bench/bench.py
	$(BIN)/python tests/bench/cost.py
	$(BIN)/python tests/bench/decisions.py
	$(BIN)/python tests/bench/scale.py
	$(BIN)/python tests/bench/pareto.py
	$(BIN)/python tests/bench/rate_laws.py
	$(BIN)/python tests/bench/studies.py
	$(BIN)/python tests/bench/report.py
	$(BIN)/python tests/bench/environments.py
endif

lint: $(STAMP) ## check style, types and which room imports which
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(STAMP) ## build the documentation site, build/site/index.html; every warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -j $(JOBS) -c docs/site . build/site

dist: $(STAMP) ## build sdist and wheel into dist/, and check them
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m pytest tests/packaging

clean: ## remove caches and builds; .venv and results stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	find mecsim policies tests -type d -name __pycache__ -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@sh -eu -c "$$SETUP"

ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif
