.DEFAULT_GOAL := help
.PHONY: help setup run dev build test test-api test-scale test-web test-browser test-contract cluster lighthouse pictures lint fmt openapi client demo bench bench-check load-test clean ci

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install everything needed to run and test
	@.ci/setup test

run: ## Set up, build, and run the server with its own database
	@.ci/setup run
	@$(MAKE) --no-print-directory build
	@exec target/release/api serve

dev: ## Run the API and the web app with hot reload
	@.ci/setup run
	@.ci/dev

build: ## Build the release binary, target/release/api, which contains the web app
	@.ci/build-web
	cargo build --release --workspace --locked --bin api

test: ## Run all tests: rules, API on a real database, web app, browser
	@.ci/setup test
	@.ci/test

test-api: ## Run the Rust tests only
	@.ci/setup run
	cargo test --workspace --locked

test-scale: ## Check the query plan of every list, filter and sort order on 1.8 million bags
	@.ci/setup run
	cargo test --workspace --locked --test it -- --ignored --nocapture scale::

test-web: ## Run the web app's unit tests only
	@.ci/build-web
	npm --prefix frontend run check && npm --prefix frontend test

test-browser: ## Run the browser tests only; screenshots are in frontend/test-results/screenshots
	@.ci/setup test
	@.ci/build-web
	cargo build --workspace --locked --bin api
	cd frontend && API_BINARY="$(CURDIR)/target/debug/api" npm run test:e2e

test-contract: ## Call every operation as each role and check the responses against openapi.yaml
	@.ci/setup test
	cargo build --workspace --locked --bin api
	@.ci/contract

lighthouse: build ## Measure the sign-in, scan and overview pages with Lighthouse
	@.ci/setup test
	cd frontend && npm run lighthouse

pictures: test-browser ## Update the pictures of docs/guide and README.md with the screenshots of the browser tests
	npm --prefix frontend run pictures

lint: ## Run every linter
	@.ci/build-web
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --locked --quiet
	npm --prefix frontend run lint

fmt: ## Format everything
	cargo fmt
	npm --prefix frontend run format

openapi: ## Write openapi.yaml, docs/errors.md and docs/settings.md from the code
	cargo build --workspace --locked --bin api
	target/debug/api openapi > openapi.yaml
	target/debug/api errors > docs/errors.md
	target/debug/api settings > docs/settings.md

client: openapi ## Generate the web app's API client from openapi.yaml
	npm --prefix frontend run generate

cluster: build ## Run three processes behind HAProxy with Redis and two replicas until Ctrl-C (data in ./var/cluster)
	@.ci/setup test
	@exec deploy/cluster run

demo: build ## Fill the embedded database with sample data
	target/release/api seed-demo

bench: build ## Compare with PostgreSQL, Flask and the targets; write docs/benchmarks.md (faster: BENCH="--sizes 18k,1.8m")
	@.ci/setup test
	cargo build --release --workspace --locked --bin load-tests
	target/release/load-tests bench --report docs/benchmarks.md $(BENCH)

bench-check: ## Detect large slowdowns in about a minute (debug build, stored ratios)
	@.ci/setup test
	@.ci/build-web
	cargo build --workspace --locked
	target/debug/load-tests bench-check

load-test: build ## Simulate a warehouse day and verify the data (LOAD=spike, soak, rush or open); report in target/load-tests
	@.ci/setup test
	cargo build --release --workspace --locked --bin load-tests
	target/release/load-tests $(or $(LOAD),day)

clean: ## Remove all build output (not the data in ./var)
	rm -rf target frontend/build frontend/.svelte-kit frontend/node_modules

ci: ## Run what CI runs
	@.ci/run
