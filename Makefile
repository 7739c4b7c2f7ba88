# Everything a newcomer types. `make run` and `make test` need Python 3.11+, make and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SOURCES := ledger scoring server compliance loadtest proto
HOLDFAST_HOME ?= var
export HOLDFAST_HOME
# Where it is set, every process of ours would compile its sources anew: a third of what a start takes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install run test lint lock stubs loadtest kills kills-compliance kills-all away day lives differential simulation power-failures fuzz

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q -j 0 $(SOURCES)
	@touch $@

run: install
	@exec $(BIN)/holdfast serve --demo --comply

test: install
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.house.run_mypy

# The stubs beside the contract; a test compares them with a fresh build.
stubs: install
	$(BIN)/python -m grpc_tools.protoc --proto_path=proto --python_out=proto --pyi_out=proto \
	  proto/holdfast/v1/authorization.proto proto/holdfast/v1/accounts.proto proto/holdfast/v1/transfers.proto \
	  proto/holdfast/v1/feedback.proto proto/holdfast/v1/compliance.proto

# Versions and hashes, no addresses.
lock: install
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/python -m piptools compile --quiet --extra dev --generate-hashes --allow-unsafe --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
	  --output-file requirements.lock pyproject.toml

loadtest: install
	$(BIN)/python -m loadtest.report locust

# Ten kills (SIGKILL) in a replay of real history; HISTORY is a Sparkov or Handbook file.
HISTORY ?= ../shared/data/fraud/sparkov_transactions.parquet
kills: install
	$(BIN)/holdfast replay $(HISTORY) --limit 100000 --kills 10

# Fifty kills of the compliance worker and of its PostgreSQL: every flagged transfer has one case.
kills-compliance: install
	$(BIN)/holdfast bench compliance --kills 50

# The ledger away fifty times; processes killed two hundred times; a day in short.
away: install
	$(BIN)/holdfast bench away --times 50

kills-all: install
	$(BIN)/holdfast bench kills --times 200 --of core,front --fronts 2
	$(BIN)/holdfast bench compliance --kills 400

day: install
	$(BIN)/holdfast bench day --minutes 60

# The core with everything around it faked and failing, under one seed each.
simulation: install
	$(BIN)/python -m tests.simulation.campaign --seeds 100000

# Power failures at any instant of a run: unsynced writes lost, torn, reordered. Needs a C compiler.
power-failures: install
	HOLDFAST_POWER_FAILURES=1000 $(BIN)/python -m pytest tests/adversity/test_power_failure.py

# Damaged bytes, ten minutes for each reader of them.
fuzz: install
	$(BIN)/python -m tests.fuzz --seconds 600

# Random lives of holds, with crashes, repeats and parts lost behind their back; the second part needs a TigerBeetle server.
lives: install
	$(BIN)/python -m tests.ledger.hold_lives --lives 10000
	$(BIN)/python -m tests.ledger.hold_lives --lives 10000 --tigerbeetle

# The same random operations to both engines; needs a TigerBeetle server.
differential: install
	$(BIN)/python -m tests.conformance.differential --operations 1000000 --seeds 10
