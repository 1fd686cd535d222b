# Every everyday task. `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The one place that decides flags. One profile everywhere, so that nothing is built twice.
CARGO_FLAGS := --release --locked
# Tests judge what the doors say, not how fast: their code is not optimised (docs/adr/001), ours below
# them and all libraries are.
TEST_FLAGS := --config profile.release.package.aerostream.opt-level=0
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
export CARGO_FLAGS TEST_FLAGS

# Of `make up`.
DRONES ?= 500
RATE ?= 2
SCENARIO ?= default
LOG ?= embedded
# Of `make fuzz`: generated inputs per property.
CASES ?= 20000

# Of `make proto-check`: the commit whose records and clients must still be understood.
AGAINST ?= HEAD
# Of `make bench`: names of benches, all unless set.
BENCH ?=

DENY_VERSION := 0.20.2
DENY := .cache/tools/bin/cargo-deny

.PHONY: help up build test bench chaos audit fuzz proto-check fmt lint doc config-reference schema openapi clean

help: ## lists the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r target what; do printf '  %-18s %s\n' "$$target" "$$what"; done

up: ## runs everything on this machine: make up DRONES=5000 RATE=10 LOG=kafka SCENARIO=low-battery
	@scripts/setup.sh run
	@scripts/graphiql.sh
	@cargo build $(CARGO_FLAGS) --bin aerostream
	@scripts/up.sh $(TARGET_DIR)/release/aerostream $(LOG) --drones $(DRONES) --rate $(RATE) --scenario $(SCENARIO)

build: ## builds the binary
	@scripts/setup.sh run
	@cargo build $(CARGO_FLAGS) --bin aerostream

test: ## format, lints, documentation and all tests, with a real Kafka and a real Postgres
	@scripts/setup.sh test
	@scripts/test.sh

bench: ## measures the budgets, each beside its reference: make bench BENCH=memory
	@scripts/setup.sh test
	@cargo bench --profile release --locked --package aerostream --bench budgets -- $(BENCH)

chaos: ## the long fault tests
	@scripts/setup.sh test
	@cargo test $(CARGO_FLAGS) --package aerostream --test it -- --ignored --nocapture chaos::

fuzz: ## property tests with CASES generated inputs each
	@scripts/setup.sh run
	@PROPTEST_CASES=$(CASES) cargo test $(CARGO_FLAGS) --workspace --lib

audit: $(DENY) ## checks the dependencies' advisories, licences, versions and sources
	@scripts/audit.sh $(DENY)

$(DENY):
	@echo "installing cargo-deny $(DENY_VERSION) into .cache/tools, some minutes" >&2
	@cargo install --locked --root .cache/tools --version $(DENY_VERSION) cargo-deny

proto-check: ## lints the wire and compares it with a commit: make proto-check AGAINST=main
	@scripts/proto_check.sh $(AGAINST)

fmt: ## formats the code
	@cargo fmt --all

lint: ## clippy, as `make test` runs it
	@cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

doc: ## builds the documentation of the crates
	@cargo doc $(CARGO_FLAGS) --workspace --no-deps

config-reference: ## writes docs/config-reference.toml from the code
	@UPDATE_CONFIG_REFERENCE=1 cargo test $(CARGO_FLAGS) $(TEST_FLAGS) --package aerostream --test it -- \
		the_reference_file_is_what_the_code_says

schema: ## writes docs/schema.graphql from the code
	@UPDATE_SCHEMA=1 cargo test $(CARGO_FLAGS) $(TEST_FLAGS) --package aerostream --lib -- \
		the_schema_file_is_what_the_code_says

openapi: ## writes docs/openapi.json from the code
	@UPDATE_OPENAPI=1 cargo test $(CARGO_FLAGS) $(TEST_FLAGS) --package aerostream --lib -- \
		the_document_in_docs_is_what_the_code_says

clean: ## removes what was built and fetched; keeps the data in var/
	@cargo clean
	@rm -rf .cache
