# The same commands on a laptop and in CI. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup run test unit thorough coverage faults faults-nightly burst guards janitor verify-aws benchmark check format compile plan deploy build requirements clean
# The parts of make check, the slow ones first.
CHECKS := check-transformed check-template check-types check-format check-lint check-imports check-compiled check-reference check-examples check-workflows
.PHONY: $(CHECKS)

BIN := .venv/bin
STAGE ?= dev
# samconfig.toml calls the dev environment "default", because sam uses that when none is named.
CONFIG := $(if $(filter dev,$(STAGE)),default,$(STAGE))
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY ?= 0
# A process for each processor; tests of one embedded AWS stay in one of them.
PYTEST := $(BIN)/python -m pytest --numprocesses=logical --dist=loadgroup

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 20

setup: .venv/ready ## create .venv, the development environment (PYTHON=python3.12 chooses the Python)

# The first Python that runs: a version manager's shim may stand for one that is not installed.
.venv/ready: requirements-dev.txt
	@for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			found=$$python; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "$(if $(PYTHON),PYTHON=$(PYTHON) does not work,No Python found):" \
			"Python 3.11 or newer with its venv module is required" >&2; \
		exit 1; \
	fi; \
	echo "Setting up .venv with $$found: about a minute, once"; \
	"$$found" -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The tests import schedules that the SageMaker SDK made; it has an environment of its own.
.venv-sdk/ready: tests/sdk/requirements.txt | .venv/ready
	@echo "Setting up .venv-sdk, with the SageMaker SDK for the tests: half a minute, once"
	@$(BIN)/python -m venv --clear .venv-sdk
	@.venv-sdk/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r tests/sdk/requirements.txt
	@touch $@

run: setup ## deploy to an embedded AWS, play each trigger's events, show the verdicts (KEEP=1 keeps it up)
	@$(BIN)/python -m tests.localaws.run $(if $(filter-out 0 no false,$(KEEP)),--keep)

test: setup .venv-sdk/ready ## run all tests, including those against the deployed stack
	@$(PYTEST)

unit: setup ## run the tests that need no deployed stack
	@$(PYTEST) tests/unit tests/simulation

thorough: setup .venv-sdk/ready ## run all tests with many more examples, as CI does each night
	@$(PYTEST) --hypothesis-profile=thorough

coverage: setup ## report which lines the unit tests run, also in htmlcov/index.html
	@$(PYTEST) --cov --cov-report=term:skip-covered --cov-report=html tests/unit

faults: setup ## inject a fault into every call to AWS, then play random histories of events and of batches; count what is lost or repeated
	@$(BIN)/python -m tests.simulation.run_faults --histories $(or $(HISTORIES),2000)
	@$(BIN)/python -m tests.simulation.batch_faults --histories $(or $(HISTORIES),2000)

faults-nightly: HISTORIES := 20000
faults-nightly: faults ## the same with ten times as many random histories

burst: setup ## upload 100,000 objects at once against SageMaker's limits, then into batches; count lost events and calls
	@$(BIN)/python -m tests.simulation.burst
	@$(BIN)/python -m tests.simulation.batch_burst --uploads 10000
	@$(BIN)/python -m tests.simulation.batch_burst --uploads 100000 --paused 0

guards: setup ## remove each guard from the code, and see that a test fails (PART=lease tries those with that name)
	@$(BIN)/python -m tests.simulation.run_guards "$(PART)"

janitor: setup ## sweep 10,000 schedules while AWS throttles, and count the calls
	@$(BIN)/python -m tests.simulation.sweep

verify-aws: setup ## VERIFY_AWS=1: check in your own account what the code assumes of AWS, then remove everything (cents)
	@$(BIN)/python -m tests.verify_aws $(if $(PROBES),--probes $(PROBES)) $(if $(KEEP),--keep) $(if $(RESUME),--resume) \
		$(if $(CLEAN),--clean) $(if $(YES),--yes) $(if $(ENDPOINT_CONFIG),--endpoint-config $(ENDPOINT_CONFIG)) \
		$(if $(MONITORING_SCHEDULE),--monitoring-schedule $(MONITORING_SCHEDULE))

benchmark: setup ## measure cold starts, warm events and commands, and write docs/performance.md
	@$(BIN)/python -m tests.benchmark

check: setup ## check format, lint, import direction, types, templates and compiled files
	@$(MAKE) --jobs=2 --keep-going --output-sync --no-print-directory $(CHECKS)

check-format: ; @$(BIN)/ruff format --check .
check-lint: ; @$(BIN)/ruff check .
check-imports: ; @$(BIN)/lint-imports --no-cache
check-types: ; @$(BIN)/mypy
check-compiled: ; @$(BIN)/triggers compile --check
check-template: ; @$(BIN)/sam validate --lint --region eu-central-1
check-transformed: ; @$(BIN)/python -m tests.tools.templates
check-workflows: ; @$(BIN)/zizmor --offline --no-progress --quiet --persona=pedantic --min-severity=medium .github
check-reference: ; @$(BIN)/python -m tests.tools.reference --check
check-examples: ; @$(BIN)/triggers test

format: setup ## format the code, and write the schema's and the reference's generated parts
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python -m tests.tools.reference

compile: setup ## compile the trigger documents
	@$(BIN)/triggers compile

plan: build ## make a change set that shows what a deploy would change (STAGE=prod for production)
	$(BIN)/sam deploy --config-env $(CONFIG) --no-execute-changeset --s3-prefix plans

deploy: build ## check the account, build and deploy (STAGE=prod for production)
	$(BIN)/sam deploy --config-env $(CONFIG) $(if $(CI),--no-confirm-changeset)

build: compile
	$(BIN)/triggers check --aws --stage $(STAGE)
	$(BIN)/sam build --config-env $(CONFIG)

requirements: ## pin the dependencies of pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra cli --group dev --universal --python-version 3.11 --generate-hashes --quiet \
		--output-file requirements-dev.txt
	@# The layer carries what the tests ran with.
	uv pip compile pyproject.toml --constraint requirements-dev.txt --universal --python-version 3.11 \
		--generate-hashes --quiet --output-file layers/core/requirements.txt
	uv pip compile tests/sdk/requirements.in --no-config --universal --python-version 3.11 --generate-hashes \
		--no-annotate --quiet --output-file tests/sdk/requirements.txt

clean: ## remove everything that these commands made
	rm -rf .venv .venv-sdk .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
