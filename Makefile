# Two commands matter: `make up` sets up everything and starts the platform, `make test` sets up everything and tests it.
# Both share .venv, and a second call finds it ready.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help
ifeq ($(filter oneshell,$(.FEATURES)),)
$(error this Makefile needs GNU make 3.82 or newer; on macOS `brew install make` and call gmake)
endif

VENV := .venv
# the first Python that fits; PYTHON=... chooses another
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
endif
# passed on: make up ARGS="--no-run", make test ARGS="tests/resources -k outbox"
ARGS ?=
BENCH ?= serve

.PHONY: help install up test test-soak screenshots check lint types format lock bench bench-peers browser clean

help: ## this list
	grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

install: ## the virtual environment, from the hash-pinned lock
	[ -n "$(PYTHON)" ] || { echo "error: no Python 3.11, 3.12 or 3.13 with venv found; install one (Debian: apt install python3-venv), or set PYTHON=" >&2; exit 1; }
	want="$$($(PYTHON) -c 'import hashlib, sys; print(hashlib.sha256(open("requirements.lock", "rb").read()).hexdigest()[:16], sys.version.split()[0])')"
	project="$$($(PYTHON) -c 'import hashlib, os; print(hashlib.sha256(open("pyproject.toml", "rb").read()).hexdigest()[:16], os.getcwd())')"
	stamp=$(VENV)/.installed
	if [ "$$(cat $$stamp 2>/dev/null)" != "$$want"$$'\n'"$$project" ]; then
		# half made, of another Python, or moved here from elsewhere: made again
		if [ -d $(VENV) ] && { [ -e $(VENV)/.installing ] || ! $(VENV)/bin/python -m pip --version >/dev/null 2>&1 \
			|| [ "$$($(VENV)/bin/python -c 'import sys; print(sys.version.split()[0])')" != "$${want#* }" ] \
			|| ! grep -qF "$(CURDIR)/$(VENV)" $(VENV)/bin/activate; }; then
			echo "the environment in $(VENV) is half made or of another Python: making it again"
			rm -rf $(VENV)
		fi
		if [ "$$(head -n 1 $$stamp 2>/dev/null)" != "$$want" ]; then
			[ -d $(VENV) ] || { echo "making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
			touch $(VENV)/.installing
			total=$$(grep -cE '^[a-z0-9].*==' requirements.lock)
			echo "installing $$total pinned packages (a few minutes the first time)"
			# --no-deps: the lock is complete, and pip's resolver stumbles over extras in it
			$(VENV)/bin/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements.lock 2>&1 \
				| awk -v total="$$total" -v kept="$(VENV)/install.log" '{ print > kept } \
					/^(Collecting|Processing|Requirement already satisfied|Ignoring)/ { n++; if (n % 20 == 0) { printf "  %d of %d\n", n, total; fflush() } } \
					/^Installing collected/ { print "  unpacking"; fflush() } \
					/^ERROR|^error/ { print; fflush() }' \
				|| { echo "error: the installation failed; $(VENV)/install.log has it all, and the next call starts over" >&2; exit 1; }
			rm -f $(VENV)/.installing
		fi
		$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
		printf '%s\n%s\n' "$$want" "$$project" > $$stamp
		echo "$(VENV) is ready"
	fi

up: install ## start the platform, run the main job, show where to look (Ctrl-C stops it)
	exec $(VENV)/bin/aios up $(ARGS)

test: install browser lint types ## lint, import contracts, types and all tests
	exec $(VENV)/bin/python -m pytest -n 2 --dist loadgroup -q $(ARGS)

test-soak: install ## long drills on running platforms, with processes killed (about 40 minutes)
	$(VENV)/bin/aios soak ingest --minutes 5 --json
	$(VENV)/bin/aios soak parsers --minutes 2 --json
	exec $(VENV)/bin/aios drill rollback --times 20 --kill random --json $(ARGS)

check: lint types ## lint, import contracts and types, without tests

lint: install
	echo "ruff";         $(VENV)/bin/ruff check --quiet --output-format concise .
	echo "ruff format";  $(VENV)/bin/ruff format --check --quiet . || { echo "error: not formatted; run 'make format'" >&2; exit 1; }
	echo "lint-imports"; $(VENV)/bin/lint-imports --no-cache > $(VENV)/lint-imports.log 2>&1 || { cat $(VENV)/lint-imports.log; exit 1; }

types: install
	echo "mypy";         $(VENV)/bin/mypy --no-error-summary

format: install ## put every file into the house's layout
	$(VENV)/bin/ruff check --fix --quiet . || true
	$(VENV)/bin/ruff format --quiet .

browser: ## Debian's chromium and its driver, where they may be installed; without them the browser tests skip and say so
	if ! { command -v chromium && command -v chromedriver; } >/dev/null; then
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
			echo "installing chromium for the browser tests"
			{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >/dev/null 2>&1 \
				|| echo "chromium could not be installed: the browser tests will skip"
		else
			echo "chromium or its driver is not installed and can't be from here (not root): the browser tests will skip"
		fi
	fi

lock: ## make requirements.lock and deploy/cuda.lock anew (needs uv)
	command -v uv >/dev/null || { echo "error: uv is not installed; see https://docs.astral.sh/uv" >&2; exit 1; }
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --group dev --extra encoder --extra assistant --extra kafka --extra rpa --extra s3 -o requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url -c requirements.lock \
		--no-emit-package onnxruntime-gpu --no-emit-package flatbuffers --no-emit-package numpy --no-emit-package packaging \
		--no-emit-package protobuf -o deploy/cuda.lock deploy/cuda.in

bench: install ## measure, and write the results as JSON
	exec $(VENV)/bin/python -m benchmarks $(ARGS)

bench-peers: install ## beside other tools, in environments of their own: BENCH=serve (MLServer, BentoML) or BENCH=ingest (dlt)
	# their pins are made by: uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url
	#   -o benchmarks/peers/NAME.txt benchmarks/peers/NAME.in
	if [ "$(BENCH)" = ingest ]; then peers=.venv-peers-dlt; pins=benchmarks/peers/dlt.txt; else peers=.venv-peers; pins=benchmarks/peers/requirements.txt; fi
	want="$$($(VENV)/bin/python -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:16], sys.version.split()[0])' $$pins)"
	if [ "$$(cat $$peers/.installed 2>/dev/null)" != "$$want" ]; then
		echo "making $$peers (a minute or two the first time)" >&2
		rm -rf $$peers
		$(VENV)/bin/python -m venv $$peers
		$$peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $$pins >&2
		echo "$$want" > $$peers/.installed
	fi
	exec $(VENV)/bin/aios bench $(BENCH) --json $(ARGS)

screenshots: install ## the README's pictures, from a running platform: make screenshots ARGS="--password ..."
	exec $(VENV)/bin/python docs/screenshots.py $(ARGS)

clean: ## remove the environment and caches; the platform's state stays (aios reset)
	rm -rf $(VENV) .venv-peers .venv-peers-dlt .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
