# Every target sets up what it needs on a bare machine with Python >= 3.11. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# An interpreter that other users can read comes first: students' code runs as another user.
CANDIDATES := /usr/bin/python3 /usr/local/bin/python3 python3 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	"$$p" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
# For CPU-only PyTorch on Linux: make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
BIN := .venv/bin
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MPLBACKEND := Agg
# Compiled files are kept: the tests start Python some hundred times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup grade browser test coverage quick verify demo dist bench bench-report bench-gradescope bench-notebook bench-attacks bench-walls attacks fuzz otter-corpus mutants single-seed keys printouts faults lint clean release docs terms
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: .venv/ready ## make the virtual environment .venv with everything

.venv/ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 with venv found; install python3 and python3-venv, or say make PYTHON=/path/to/python3"; exit 1; }
	@echo "Setting up .venv with $(PYTHON) (a few minutes the first time) ..."
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt -e '.[dev]'
	@touch $@

grade: setup ## build, then grade the reference, the skeleton and sample submissions
	@$(BIN)/inithw build
	@$(BIN)/python -m tests.submissions --samples .samples
	@$(BIN)/inithw grade solutions/homework.ipynb assignment/homework.ipynb .samples/*

verify: setup ## the release gate: reference full, skeleton zero, every labelled answer and attack as declared
	@$(BIN)/inithw verify

mutants: setup ## break the judge on purpose: the labelled answers must notice every mutant (about 10 minutes)
	@rm -rf .evidence
	@$(BIN)/python -m tests.mutants --evidence .evidence

single-seed: mutants ## how the usual single-seed test would judge the labelled answers (about 10 minutes more)
	@$(BIN)/python -m tests.single_seed --evidence .evidence

keys: setup ## grade the labelled answers under 20 keys: no verdict may change (about an hour)
	@$(BIN)/python -m tests.keys --keys 20

printouts: setup ## print norms in many forms under 1,000 challenges: chance may decide nothing (about 20 minutes)
	@$(BIN)/python -m tests.printouts

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

browser: ## Chromium for the tests that need one (Debian, Ubuntu; as root), or a word on how to get it
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
			echo "make: Chromium could not be installed: the tests in a browser are skipped."; \
	else echo "make: no Chromium: the tests in a browser are skipped. To have them, install the package chromium."; fi

test: ## everything CI runs: style, imports, types, stale files, tests
	@$(MAKE) --no-print-directory -j2 -O lint browser
	@$(BIN)/inithw build --check
	@$(BIN)/pytest -q -n 4 --dist worksteal

coverage: setup browser ## which lines the tests reach (tracing takes a third longer, so not at every commit)
	@$(BIN)/pytest -q -n 4 --dist worksteal --cov --cov-report=term:skip-covered --cov-fail-under=90

quick: lint ## what speaks about a change in a minute: style, imports, types, stale files, the quick tests
	@$(BIN)/inithw build --check
	@$(BIN)/pytest -q -n 2 -m "not slow"

demo: setup ## grade a class of 60, made up of labelled answers, and open its report (a minute or two)
	@rm -rf .demo
	@$(BIN)/python -m tests.demo .demo
	@$(BIN)/inithw grade .demo/submissions.zip --roster .demo/students.csv --out .demo/class --feedback
	@if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] || [ "$$(uname)" = Darwin ]; then \
		$(BIN)/python -m webbrowser "file://$(CURDIR)/.demo/class/report.html" >/dev/null; fi
	@echo "The report: file://$(CURDIR)/.demo/class/report.html"

dist: setup ## dist/autograder.zip for Gradescope and dist/assignment.zip for students
	@$(BIN)/inithw dist

release: setup ## dist/ with zips, the package for staff and a checklist; refused when anything is stale
	@$(BIN)/inithw release

docs: setup ## the pages and docstrings as a site in build/docs; warnings are errors
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "wrote build/docs/index.html"

terms: setup ## measure thresholds for three other terms and grade the labelled answers in each (20 minutes)
	@$(BIN)/python -m tests.terms

bench: setup ## what one submission and a class cost, beside stock Otter; writes docs/performance.md (about 45 minutes)
	@$(BIN)/python -m tests.bench_otter
	@$(BIN)/python -m tests.bench_class --write

bench-report: setup ## the report of a class: how long it takes to write, and a browser to show it
	@$(BIN)/python -m tests.bench_report

bench-gradescope: setup ## the real zip, set up and run under Gradescope's limits; beside stock Otter (as root; 10 minutes)
	@$(BIN)/python -m tests.bench_gradescope --stock

bench-notebook: setup ## time of the reference notebook; SEED=FILE: beside the homework it was made from
	@$(BIN)/python tests/bench_notebook.py $(if $(SEED),--seed "$(SEED)")

attacks: setup ## every hostile notebook in every setting: here, in a plain container, as an ordinary user (as root)
	@$(BIN)/python -m tests.attacks

bench-walls: setup ## what the walls cost per submission
	@$(BIN)/python tests/bench_walls.py

FUZZ_SECONDS ?= 60
fuzz: setup ## feed the reader of submissions hostile bytes for FUZZ_SECONDS (60)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet -c constraints.txt 'atheris>=3,<4'
	@$(BIN)/python tests/fuzz_submission.py -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1

bench-attacks: setup ## hostile notebooks against stock Otter and against the engine (as root; about 10 minutes)
	@$(BIN)/python -m tests.bench_attacks

otter-corpus: setup ## every labelled answer and attack through stock Otter with the plugin (about half an hour)
	@$(BIN)/python -m tests.otter_corpus

KILLS ?= 200
faults: setup ## end a class's grading at KILLS (200) random moments: nothing may be lost or graded twice (about 20 minutes)
	@$(BIN)/python -m tests.faults --kills $(KILLS)

clean: ## remove what the other targets made, except the environment
	rm -rf dist build .samples .demo .evidence results .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
