# Everything that is built stays in ignored folders and is used again:
# .tools/ (programs that we need), target/ (ours), .demo/ (what the demo runs on).

SHELL := /bin/bash
.DEFAULT_GOAL := help
ifndef TOGETHER
.NOTPARALLEL: # steps talk to a person, one at a time; only those of `make test` name themselves in every line
endif
export PATH := $(CURDIR)/.tools/bin:$(PATH)

STEP := tools/step
PYTHON := .tools/venv/bin/python
PROVIDER ?= target/release/pulumi-resource-fargate
DEBUG_PROVIDER := target/debug/pulumi-resource-fargate

# A tool is rebuilt when the file that pins its version has other contents, whatever its date, or when the clone has moved, for
# a virtual environment does not move along.
stamp = .tools/stamp/$(1)-$(word 1,$(shell { cat $(2); pwd; } | cksum))
CLI := $(call stamp,pulumi,tools/pulumi/go.mod)
YAML := $(call stamp,pulumi-yaml,tools/pulumi-yaml/go.mod)
VENV := $(call stamp,venv,tools/requirements.txt)
SDKGEN := $(call stamp,generate-sdks,tools/sdks/go.mod tools/sdks/main.go)
NODE := $(call stamp,node,tools/sdks/nodejs/package-lock.json)
ACTIONLINT := $(call stamp,actionlint,tools/actionlint/go.mod)
CARGO_DENY := 0.18.9
APP := $(call stamp,app-venv,$(wildcard examples/app/*/requirements.txt))

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ready ## bring the three sprints up on a local AWS and show what exists
	@$(PYTHON) tools/demo.py up $(DEBUG_PROVIDER)

.PHONY: demo-down
demo-down: tools ## destroy them, prove that nothing is left, stop the local AWS
	@$(PYTHON) tools/demo.py down

.PHONY: app
app: ready app-tools ## do what the READMEs of examples/ say on a local AWS, and run the application: upload, lose a worker, scale
	@$(PYTHON) tools/app.py $(DEBUG_PROVIDER)

# A newcomer compiles once: the demo, the application and the tests run the same build.
.PHONY: ready
ready:
	@$(MAKE) --no-print-directory --jobs 2 TOGETHER=1 tools debug

.PHONY: debug
debug:
	@$(STEP) "building the provider for tests (about 12 minutes the first time)" cargo test --locked --no-run

.PHONY: check
check: $(VENV) ## format, spelling, warnings and unit tests, for the loop while writing
	@$(MAKE) --no-print-directory lint
	@$(STEP) "running the unit tests" cargo test --locked --lib

.PHONY: test
test: ready app-tools ## all checks and tests, on a clean clone
	@$(STEP) "comparing proto/ with the published protocol" $(PYTHON) tools/check_proto.py
	@$(MAKE) --no-print-directory --jobs 3 --keep-going TOGETHER=1 $(TESTS)

# Each waits more than it computes, so three run at a time; the longest come first.
TESTS := test-lifecycle test-conformance test-rust test-app test-stories test-upstream sdks lint
.PHONY: $(TESTS)
# The commands of these last a second each, and are the sooner done for collecting no garbage.
test-lifecycle test-conformance test-stories: export GOGC := off
test-lifecycle:
	@$(STEP) "leading every resource through its life with the real pulumi" \
		$(PYTHON) -m pytest -q --numprocesses 2 --timeout 600 tests/lifecycle
test-conformance:
	@$(STEP) "checking our provider against the protocol" $(PYTHON) tools/conformance.py ours $(DEBUG_PROVIDER)
test-rust:
	@$(STEP) "running the unit and integration tests, the suite's own among them" \
		env CONFORMANCE_PULUMI=$(CURDIR)/.tools/bin/pulumi PROPTEST_CASES=$${PROPTEST_CASES:-64} cargo test --locked
test-app:
	@$(STEP) "running the application of the plan, as the sprints deploy it" \
		$(PYTHON) -m pytest -q --timeout 600 tests/app
test-stories:
	@$(STEP) "playing the stories of what goes wrong" $(PYTHON) tools/stories.py play
test-upstream:
	@$(STEP) --hint "$(GO_HINT)" "running Pulumi's own tests for components" \
		go -C tests/upstream test -v -count=1 ./...

.PHONY: test-long
test-long: ## the same with many more random cases, and what needs a network
	@PROPTEST_CASES=4096 $(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory deny

.PHONY: stories
stories: ready ## play what can go wrong in AWS, with the real pulumi, and compare what it says
	@$(PYTHON) tools/stories.py play

.PHONY: story
story: ready ## watch one of the stories in this terminal: make story NAME=image-not-found
	@$(PYTHON) tools/stories.py watch $(NAME)

.PHONY: conformance
conformance: ready ## check our provider against the protocol, item by item
	@$(PYTHON) tools/conformance.py ours $(DEBUG_PROVIDER)

.PHONY: conformance-all
conformance-all: ready $(NODE) ## the same, with providers that others wrote; rewrites the tables of docs/conformance.md
	@$(PYTHON) tools/conformance.py all $(DEBUG_PROVIDER)

.PHONY: sdks
sdks: ready $(SDKGEN) $(NODE) ## generate the SDKs for Python, TypeScript and Go, compile and use them
	@$(STEP) "checking the schema as Pulumi does" pulumi schema check schema.json
	@$(STEP) "generating the SDKs for Python, TypeScript and Go" \
		.tools/bin/generate-sdks schema.json .tools/sdks
	@$(STEP) "installing the Python SDK" \
		$(PYTHON) -m pip install --disable-pip-version-check --no-deps --force-reinstall .tools/sdks/python
	@$(STEP) "compiling the TypeScript SDK" \
		.tools/sdks/node_modules/.bin/tsc --project .tools/sdks/nodejs
	@cp .tools/sdks/nodejs/package.json .tools/sdks/nodejs/README.md .tools/sdks/nodejs/bin/
	@$(STEP) "packing the TypeScript SDK" \
		npm pack --pack-destination .tools/sdks/nodejs .tools/sdks/nodejs/bin
	@mkdir -p .tools/sdks/url .tools/sdks/node_modules/@pulumi
	@ln -sfn ../../nodejs/bin .tools/sdks/node_modules/@pulumi/fargate
	@cp tests/sdk/url.ts .tools/sdks/url/
	@$(STEP) "compiling a program with the TypeScript SDK" \
		.tools/sdks/node_modules/.bin/tsc --strict --module nodenext --target es2022 --skipLibCheck \
		--typeRoots .tools/sdks/node_modules/@types --types node \
		.tools/sdks/url/url.ts
	@cp tools/sdks/go/go.mod tools/sdks/go/go.sum .tools/sdks/go/
	@$(STEP) "compiling the Go SDK" go -C .tools/sdks/go build -v ./...
	@$(STEP) "compiling a program with the Go SDK" \
		go -C tests/sdk/go build -v -o $(CURDIR)/.tools/sdks/url/url .
	@$(STEP) --show "bringing sprint B up with the Python SDK" \
		env PYTHONPATH=.tools/sdks/python $(PYTHON) tests/sdk/sprint_b.py $(DEBUG_PROVIDER)
	@$(STEP) --show "making URLs of outputs in Python, TypeScript and Go" \
		$(PYTHON) tests/sdk/url.py $(DEBUG_PROVIDER) $(CURDIR)/.tools/sdks
	@$(STEP) --show "doing what README says about projects of one's own" \
		$(PYTHON) tests/sdk/readme.py $(DEBUG_PROVIDER)

.PHONY: bench
bench: build tools ## measure the provider and print a table; BEFORE=<another build> is measured beside it
	@$(PYTHON) tools/bench.py $(PROVIDER) $(BEFORE)

.PHONY: build
build: ## build the provider in release form
	@$(STEP) "building the provider (about 20 minutes the first time)" cargo build --release --locked -p pulumi-resource-fargate

.PHONY: dist
dist: build $(VENV) ## pack the release build of this machine's platform as `pulumi plugin install` takes it
	@$(PYTHON) tools/dist.py $(PROVIDER) dist

.PHONY: fmt
fmt: ## format the code
	@cargo fmt --all

.PHONY: lint
lint: $(VENV) $(ACTIONLINT) ## check format, spelling, workflows and warnings
	@$(STEP) --hint "run: make fmt" "checking the format of the code" cargo fmt --all --check
	@$(STEP) --hint "correct it, or add the word to typos.toml" "checking the spelling" .tools/venv/bin/typos
	@$(STEP) "checking the workflows" .tools/bin/actionlint
	@$(STEP) "looking for warnings with clippy" cargo clippy --locked --all-targets -- -D warnings

.PHONY: deny
deny: ## check licences, sources and known vulnerabilities of the dependencies; needs a network
	@$(STEP) "installing cargo-deny (about 5 minutes, once)" cargo install --locked --quiet --root .tools cargo-deny@$(CARGO_DENY)
	@$(STEP) "checking the dependencies" .tools/bin/cargo-deny check

.PHONY: tools
tools: $(CLI) $(YAML) $(VENV) ## get the Pulumi CLI, its YAML host and the local AWS
	@:

.PHONY: app-tools
app-tools: $(APP) ## get what the application needs: FFmpeg, ImageMagick, Redis and its Python packages
	@$(APP_PROGRAMS) || $(STEP) --hint "$(APP_HINT)" "installing FFmpeg, ImageMagick and Redis" bash -c "$(APP_INSTALL)"

# ImageMagick has to say so itself: others have a program of that name, too.
APP_PROGRAMS := { type -P ffmpeg && type -P ffprobe && type -P redis-server && type -P openssl && convert -version | grep ImageMagick; } >/dev/null 2>&1
APP_PACKAGES := ffmpeg imagemagick redis-server openssl
APP_HINT := as root: apt-get install $(APP_PACKAGES), or on a Mac: brew install ffmpeg imagemagick redis openssl
# RUNLEVEL=1 keeps the Redis of the package from being started; the tests start their own.
APP_INSTALL := [ \$$(id -u) = 0 ] && apt-get update && \
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $(APP_PACKAGES)

# With `pulumi` on PATH there is nothing to build: it brings the YAML host along.
ON_PATH = PATH="$${PATH\#*:}" command -v
GO_HINT := install Go from https://go.dev/dl, or pulumi from https://www.pulumi.com/docs/install

$(CLI): tools/pulumi/go.mod
	@mkdir -p .tools/bin .tools/stamp
	@if found=$$($(ON_PATH) pulumi); then \
		ln -sf "$$found" .tools/bin/pulumi; \
	else \
		$(STEP) --hint "$(GO_HINT)" "building the Pulumi CLI (about 5 minutes, once)" \
			go -C tools/pulumi build -v -o $(CURDIR)/.tools/bin/pulumi \
			-ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0" \
			github.com/pulumi/pulumi/pkg/v3/cmd/pulumi; \
	fi
	@rm -f .tools/stamp/pulumi-[0-9]* && touch $@

$(YAML): tools/pulumi-yaml/go.mod
	@mkdir -p .tools/bin .tools/stamp
	@if found=$$($(ON_PATH) pulumi-language-yaml); then \
		ln -sf "$$found" .tools/bin/pulumi-language-yaml; \
	else \
		$(STEP) --hint "$(GO_HINT)" "building the YAML host of Pulumi (about 2 minutes, once)" \
			go -C tools/pulumi-yaml build -v -o $(CURDIR)/.tools/bin/pulumi-language-yaml \
			-ldflags "-s -w" github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml; \
	fi
	@rm -f .tools/stamp/pulumi-yaml-* && touch $@

$(VENV): tools/requirements.txt
	@mkdir -p .tools/stamp
	@$(STEP) --hint "install Python 3.11 or newer with its venv module" \
		"making a virtual environment" python3 -m venv --clear .tools/venv
	@$(STEP) "installing the local AWS (ministack, moto) and Pulumi's Python SDK" \
		.tools/venv/bin/pip install --disable-pip-version-check --requirement tools/requirements.txt
	@rm -f .tools/stamp/venv-* && touch $@

$(APP): $(wildcard examples/app/*/requirements.txt)
	@mkdir -p .tools/stamp
	@$(STEP) --hint "install Python 3.11 or newer with its venv module" \
		"making a virtual environment for the application" python3 -m venv --clear .tools/app-venv
	@$(STEP) "installing the packages of its images" .tools/app-venv/bin/pip install --disable-pip-version-check \
		--only-binary :all: --require-hashes $(addprefix --requirement ,$^)
	@rm -f .tools/stamp/app-venv-* && touch $@

$(SDKGEN): tools/sdks/go.mod tools/sdks/main.go
	@mkdir -p .tools/bin .tools/stamp
	@$(STEP) --hint "$(GO_HINT)" "building the SDK generator (about 2 minutes, once)" \
		go -C tools/sdks build -v -o $(CURDIR)/.tools/bin/generate-sdks .
	@rm -f .tools/stamp/generate-sdks-* && touch $@

$(ACTIONLINT): tools/actionlint/go.mod
	@mkdir -p .tools/bin .tools/stamp
	@$(STEP) --hint "$(GO_HINT)" "building the linter of workflows" \
		go -C tools/actionlint build -o $(CURDIR)/.tools/bin/actionlint github.com/rhysd/actionlint/cmd/actionlint
	@rm -f .tools/stamp/actionlint-* && touch $@

$(NODE): tools/sdks/nodejs/package-lock.json
	@mkdir -p .tools/sdks .tools/stamp
	@cp tools/sdks/nodejs/package.json tools/sdks/nodejs/package-lock.json .tools/sdks/
	@$(STEP) --hint "install Node.js 20 or newer with npm" "installing TypeScript and Pulumi's SDK for it" \
		npm --prefix .tools/sdks ci --ignore-scripts --no-audit --no-fund
	@rm -f .tools/stamp/node-* && touch $@
