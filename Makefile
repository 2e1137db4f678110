# Everything a developer or CI runs. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
SERVE_VENV := .venv-serve
CLIENTS_VENV := .venv-clients
SOURCES := $(shell find contract litet service training -name '*.py')
BENCH_DATA ?= $(LITET_BENCH_DATA)

.DEFAULT_GOAL := help
.PHONY: help serve install check format test conformance bench-training bench-start bench-reliability bench-offline bench-streaming bench-hot-path bench-serving bench-peers bench-quality clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

serve: $(SERVE_VENV)/.installed ## Serve the models in models/ on http://127.0.0.1:8000
	$(SERVE_VENV)/bin/litet serve --default-model iris

install: $(VENV)/.installed ## Make the environment for training, tests and checks in .venv

check: $(VENV)/.installed ## Format, lint, types, import rules, spelling
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/codespell README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md docs contract litet service/*.py training tests bench

format: $(VENV)/.installed ## Format and mend what can be mended
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

test: $(VENV)/.installed $(SERVE_VENV)/.installed conformance ## Run every test
	LITET_SERVE_PYTHON=$(abspath $(SERVE_VENV))/bin/python $(VENV)/bin/pytest

# Twice, because tritonclient and kserve cannot be imported together: each brings the protocol's messages, and protobuf
# takes only one of them. The service runs in .venv, which has the extra that gRPC needs.
conformance: $(VENV)/.installed $(CLIENTS_VENV)/.installed ## Run the tests with other people's clients (part of `test`)
	LITET_SERVE_PYTHON=$(abspath $(VENV))/bin/python $(CLIENTS_VENV)/bin/pytest tests/conformance
	LITET_SERVE_PYTHON=$(abspath $(VENV))/bin/python $(CLIENTS_VENV)/bin/pytest tests/conformance/kserve

bench-training: $(VENV)/.installed ## Training speed beside scikit-learn, skorch, Lightning and pytabkit
	$(VENV)/bin/pip install -q -c constraints.txt --group bench
	$(VENV)/bin/python -m bench.training $(BENCH_DATA:%=--data %)

bench-start: $(VENV)/.installed $(SERVE_VENV)/.installed ## Start-up, memory and the time of a whole training run
	$(VENV)/bin/python -m bench.start

bench-reliability: $(VENV)/.installed $(SERVE_VENV)/.installed ## What retraining promises, put to the test
	LITET_SERVE_PYTHON=$(abspath $(SERVE_VENV))/bin/python $(VENV)/bin/python -m bench.reliability $(BENCH_DATA:%=--data %)

bench-offline: $(VENV)/.installed ## litet predict on a large file beside a bare loop of onnxruntime
	$(VENV)/bin/python -m bench.offline

bench-streaming: $(VENV)/.installed ## Training on a file of 5 GB with 2 GB of memory; --size, --limit and more: see the script
	$(VENV)/bin/python -m bench.streaming

bench-hot-path: $(VENV)/.installed ## Where the microseconds of a prediction go
	$(VENV)/bin/python -m bench.hot_path

bench-serving: $(VENV)/.installed $(SERVE_VENV)/.installed $(CLIENTS_VENV)/.installed ## The cost of a prediction over HTTP; needs wrk
	$(VENV)/bin/python -m bench.serving

bench-peers: $(VENV)/.installed $(SERVE_VENV)/.installed $(CLIENTS_VENV)/.installed ## The same beside FastAPI, MLServer, LitServe and BentoML
	$(VENV)/bin/python -m bench.serving --peers

bench-quality: $(VENV)/.installed ## The default model beside gradient-boosted trees and other nets, on tables of BENCH_DATA
	$(VENV)/bin/python -m bench.quality $(BENCH_DATA:%=--data %)

clean: ## Remove the environments and caches
	rm -rf $(VENV) $(SERVE_VENV) $(CLIENTS_VENV) .venv-peers .venv-rivals build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -c constraints.txt pip
	$(VENV)/bin/pip install -q -c constraints.txt -e '.[compare,grpc]' --group test --group check
	touch $@

# What the serving image holds: the same commands as in the Dockerfile, after what an earlier build left.
$(SERVE_VENV)/.installed: pyproject.toml constraints.txt $(SOURCES)
	rm -rf build $(SERVE_VENV)
	$(PYTHON) -m venv $(SERVE_VENV)
	$(SERVE_VENV)/bin/pip install --no-cache-dir -q -c constraints.txt ".$(EXTRAS)"
	$(SERVE_VENV)/bin/pip uninstall -q -y pip setuptools
	touch $@

$(CLIENTS_VENV)/.installed: tests/conformance/requirements.txt
	rm -rf $(CLIENTS_VENV)
	$(PYTHON) -m venv $(CLIENTS_VENV)
	$(CLIENTS_VENV)/bin/pip install -q -c constraints.txt pip
	$(CLIENTS_VENV)/bin/pip install -q -r $<
	touch $@
