# The same commands on a laptop and in CI. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup run test faults burst guards janitor benchmark check format compile plan deploy build requirements clean

BIN := .venv/bin
STAGE ?= dev
# samconfig.toml calls the dev environment "default", which is what sam takes when none is named.
CONFIG := $(if $(filter dev,$(STAGE)),default,$(STAGE))
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY ?= 0

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 20

setup: .venv/ready ## make .venv, the development environment

# The first Python that really runs: a version manager's shim may stand for one that is not installed.
.venv/ready: requirements-dev.txt
	@for python in $(PYTHON) python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import venv, ensurepip' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Python 3.13, 3.12 or 3.11 is needed; none of them runs here" >&2; exit 1; fi; \
	echo "Setting up .venv with $$found: about a minute, once"; \
	"$$found" -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The SageMaker SDK is what the tests' users move in from; its dependencies are none of ours.
.venv-sdk/ready: tests/sdk/requirements.txt | .venv/ready
	@echo "Setting up .venv-sdk, with the SageMaker SDK for the tests: half a minute, once"
	@$(BIN)/python -m venv --clear .venv-sdk
	@.venv-sdk/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r tests/sdk/requirements.txt
	@touch $@

run: setup ## deploy to an embedded AWS, upload files, show the verdicts (KEEP=1: leave it up)
	@$(BIN)/python -m tests.localaws.run $(if $(filter-out 0 no false,$(KEEP)),--keep)

test: setup .venv-sdk/ready ## run all tests, those against the deployed stack included
	@$(BIN)/python -m pytest

faults: setup ## let faults happen at every call to AWS, and count what is lost or repeated
	@$(BIN)/python -m tests.simulation.faults

burst: setup ## let far more be uploaded at once than SageMaker may start, and count what is lost
	@$(BIN)/python -m tests.simulation.burst

guards: setup ## take each guard out of the code, and see that a test notices
	@$(BIN)/python -m tests.simulation.guards

janitor: setup ## sweep 10,000 schedules while AWS throttles, and count the calls
	@$(BIN)/python -m tests.simulation.sweep

benchmark: setup ## measure what 300 triggers cost
	@$(BIN)/python -m tests.tools.benchmark

check: setup ## format, lint, types, templates, compiled files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy
	@$(BIN)/triggers compile --check
	@$(BIN)/sam validate --lint --region eu-central-1
	@$(BIN)/python -m tests.tools.templates
	@$(BIN)/python -m tests.tools.reference --check

format: setup ## rewrite the code in the project's format, and the reference's tables
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python -m tests.tools.reference

compile: setup ## compile the trigger documents
	@$(BIN)/triggers compile

plan: build ## show what a deploy would change, as a change set (STAGE=prod for production)
	$(BIN)/sam deploy --config-env $(CONFIG) --no-execute-changeset

deploy: build ## check the account, build, deploy (STAGE=prod for production)
	$(BIN)/sam deploy --config-env $(CONFIG) $(if $(CI),--no-confirm-changeset)

build: compile
	$(BIN)/triggers check --aws --stage $(STAGE)
	$(BIN)/sam build --config-env $(CONFIG)

requirements: ## pin what pyproject.toml asks for (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
		--output-file layers/core/requirements.txt
	uv pip compile pyproject.toml --extra cli --group dev --universal --python-version 3.11 --generate-hashes --quiet \
		--output-file requirements-dev.txt
	uv pip compile tests/sdk/requirements.in --no-config --universal --python-version 3.11 --generate-hashes \
		--no-annotate --quiet --output-file tests/sdk/requirements.txt

clean: ## remove everything that the commands above made
	rm -rf .venv .venv-sdk .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
