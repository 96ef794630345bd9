# Two commands do everything on a machine with the Swift toolchain: `make run` and `make test`.
#
#   make run        the demonstration: mail through 465 and 587, handed on over TLS, and to other domains
#   make test       unit tests, simulation, corpora, real clients, real next hops, conformance
#   make check      what a change must pass before it is committed: format, import rules, tests, clean diff
#   make build      the release binary: .build/release/martlet
#   make bench      speed beside Postfix, the policy's cost and DKIM's speed, written to Documentation/Performance.md
#   make fuzz       the parsers of mail authentication under libFuzzer, each until it finds nothing new for ten minutes
#   make test-long  the long lane: power cuts, thousands of idle connections, queues of a million
#   make fmt        formats the sources in place
#   make clean      removes everything built or unpacked

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Our own build has no warnings; a packager with a newer compiler is not held to that (Package.swift).
export MARTLET_WARNINGS_AS_ERRORS := 1
# How many seeds the simulation plays; the long lane plays more.
export MARTLET_SIMULATION_SEEDS ?= 5000
# A crash in a test should not start an interactive debugger.
export SWIFT_BACKTRACE := interactive=no

SWIFT ?= swift
FORMATTED := Sources Tests Benchmarks Package.swift
LOG := .build/test-log
# How many unit tests run at once. With all of them at once each waits for a minute between two steps, and whatever has
# a time limit meets it.
WIDTH := 8

.PHONY: help run test check build bench fuzz test-long fmt lint clean build-packages test-packages units simulation peers conformance

help:
	@sed -n 's/^#   \(make .*\)/\1/p' Makefile

run: build-packages
	$(SWIFT) build --product martlet
	.build/debug/martlet demo

test: units simulation peers
	Scripts/conformance --ran $(LOG)/units.jsonl --ran $(LOG)/simulation.jsonl --ran $(LOG)/peers

# One debug build serves `run`, `units`, `simulation` and `peers`; what lands in $(LOG) is what Scripts/conformance reads.
units: build-packages
	$(SWIFT) build --build-tests
	@mkdir -p $(LOG) && rm -f $(LOG)/*.jsonl
	$(SWIFT) test --skip-build --skip MailSimulationTests --experimental-maximum-parallelization-width $(WIDTH) \
	  --event-stream-output-path $(LOG)/units.jsonl --event-stream-version 0 || Scripts/failures $(LOG)/units.jsonl

# By itself: it takes every core for minutes, and other tests would wait behind it.
simulation:
	@mkdir -p $(LOG) && rm -f $(LOG)/simulation.jsonl
	$(SWIFT) test --skip-build --filter MailSimulationTests \
	  --event-stream-output-path $(LOG)/simulation.jsonl --event-stream-version 0 || Scripts/failures $(LOG)/simulation.jsonl

peers: build-packages test-packages
	$(SWIFT) build --product martlet
	@mkdir -p $(LOG)
	Tests/Interop/run.py --martlet .build/debug/martlet 2>&1 | tee $(LOG)/peers

# The generated documents must be those that are committed.
check: lint test
	Scripts/conformance --update
	git diff --exit-code -- Documentation

lint:
	$(SWIFT) format lint --strict --recursive --parallel $(FORMATTED)

fmt:
	$(SWIFT) format --in-place --recursive --parallel $(FORMATTED)

build: build-packages
	$(SWIFT) build -c release --static-swift-stdlib --product martlet
	@ls -l .build/release/martlet

bench: build test-packages
	Scripts/system-packages bench
	Benchmarks/run.py --martlet .build/release/martlet
	Benchmarks/policy_cost.py --martlet .build/release/martlet
	$(SWIFT) build -c release --static-swift-stdlib --product AuthenticationSpeed
	Benchmarks/authentication_speed.py --program .build/release/AuthenticationSpeed

fuzz: build-packages
	Tests/Fuzz/run

test-long: build-packages test-packages
	$(SWIFT) build --build-tests
	MARTLET_SIMULATION_SEEDS=20000 $(SWIFT) test --skip-build --filter MailSimulationTests
	Tests/Interop/run.py --martlet .build/debug/martlet --group long

build-packages:
	@Scripts/system-packages build

test-packages:
	@Scripts/system-packages test

clean:
	rm -rf .build .build-peers
