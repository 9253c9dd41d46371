# Most targets need only Go, and fetch the rest. Deploying also needs the AWS CLI and the SAM CLI.
.DEFAULT_GOAL := help

GO   ?= go
TOOL := $(GO) tool -modfile=tools/go.mod

# Everything is built with the function's flags, so that targets and clones share one
# build cache, and tests link and start faster. Only the race detector needs cgo.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(GOFLAGS) $(if $(filter -trimpath,$(GOFLAGS)),,-trimpath))
race: export CGO_ENABLED := 1

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## run a whole rotation on this machine, and show each step
	@$(GO) run ./cmd/demo -scenario $(or $(SCENARIO),plain) -database $(or $(DATABASE),mysql)

.PHONY: local
local: ## set up the same, and keep it running for the operator's program and the AWS CLI
	@$(GO) run ./cmd/demo -stay -scenario $(or $(SCENARIO),plain) -database $(or $(DATABASE),mysql)

# Tests mostly wait, so more packages and tests run in parallel than there are cores;
# the slowest packages come first. GOGC=800 trades memory for time, also in the linker.
# Linking without debug information takes a third less time, and make check runs vet.
.PHONY: test
test: servers ## run all tests
	@GOGC=800 tools/timed "make test" $(GO) test -vet=off -ldflags=-w -p 4 -parallel 12 ./lambda ./rotation/... ./...

# bcrypt's inner loop has no races to find, and the race detector makes it many times
# slower.
.PHONY: race
race: servers ## run all tests with the race detector, also in the function's process
	@tools/timed "make race" $(GO) test -race -parallel 6 -gcflags=golang.org/x/crypto/blowfish=-race=false ./lambda ./rotation/... ./...

.PHONY: check
check: ## run the quick checks: formatting, vet, linters, and all tests that need no server
	@tools/timed "make check" sh -c '$(MAKE) --no-print-directory lint && $(GO) test -short ./...'

.PHONY: busy
busy: ## run make test three times in a row while six busy processes keep every core loaded
	@tools/busy $(MAKE) --no-print-directory test

.PHONY: servers
servers: ## fetch the database servers that the tests use, and list them
	@$(GO) run ./cmd/servers

# In a shell, as a reader would: with the AWS CLI (which is fetched) and the built program.
.PHONY: docs
docs: servers ## run every command in README and docs/ against a running deployment
	@tools/timed "make docs" $(GO) test ./cmd/mautic-rotation -run='Pages|InTheDocs' -count=1 -timeout 20m $(DOCS) -args -pages

.PHONY: crash
crash: ## run the crash matrix: a fault at every call of a rotation
	@$(GO) run ./cmd/crash $(CRASH)

# Built, not run with go run, so that it can count the rows of plan.Decide that it reaches.
.PHONY: explore
explore: ## search every history of two invocations with at most two disturbances
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
		$(GO) build -cover -covermode=atomic -coverpkg=mautic-rotation/rotation/plan,mautic-rotation/cmd/explore -o "$$dir/explore" ./cmd/explore && \
		GOGC=100 GOCOVERDIR=$$dir "$$dir/explore" $(if $(REPLAY),-replay '$(REPLAY)') $(EXPLORE)

.PHONY: histories
histories: ## test random histories of rotations, edits, redeploys and faults
	$(GO) test ./rotation -run InAnyHistory -timeout 30m -rapid.checks=$(or $(CHECKS),1000) -rapid.steps=45

.PHONY: policies
policies: servers ## test each way to change a password under each password policy, and write the table in docs/database.md
	$(GO) test ./rotation/database -run=TestPolicyMatrix -count=1 -timeout 45m -args -policies=$(CURDIR)/docs/database.md

# AWS=1 uses the AWS CLI's credentials and region: AWS_PROFILE=scratch make contract AWS=1
.PHONY: contract
contract: ## check the assumptions about AWS, against the stand-in or, with AWS=1, your scratch account (costs some cents)
	@$(GO) run ./cmd/contract $(if $(AWS),-aws) $(CONTRACT)

.PHONY: bench
bench: ## measure start-up time, size, memory, calls and logins, and the failed logins of each way to change a password
	$(GO) test -run='^$$' -bench=. -benchtime=20x ./lambda
	$(GO) test -run='^$$' -bench=Program -benchtime=20x ./cmd/mautic-rotation
	$(GO) test -run='^$$' -bench=RotationsInARow -benchtime=100x ./rotation/database
	$(GO) test -run='^$$' -bench=Gap -benchtime=5x ./rotation/database

# FIGURES='-from docs/figures/measured.json' redraws without measuring.
.PHONY: figures
figures: ## measure a rotation with a plain ALTER USER and one by the function, and draw both in docs/figures
	@$(GO) run ./cmd/figures $(FIGURES)

.PHONY: mutate
mutate: ## break the engine on purpose, in one way after another, and check that a test fails each time
	@$(GO) run ./cmd/mutate $(MUTATE)

# go test sometimes fails with "context deadline exceeded" when the time is up, although
# it has found nothing: such a target is run once more.
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s), or only TARGET=./lambda:FuzzParse
	@set -e; $(if $(TARGET),echo '$(TARGET)',grep -ro '^func Fuzz[A-Za-z0-9]*' --include='*_test.go' . | sed 's,/[^/]*:func ,:,' | sort) | while IFS=: read -r dir target; do \
		echo "$$target in $$dir"; \
		run() { $(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(or $(FUZZTIME),30s) -fuzzminimizetime=1s $(FUZZ) "$$dir" </dev/null; }; \
		if ! out=$$(run); then \
			case $$out in *"Failing input"*) echo "$$out"; exit 1 ;; *"context deadline exceeded"*) out=$$(run) || { echo "$$out"; exit 1; } ;; *) echo "$$out"; exit 1 ;; esac; \
		fi; echo "$$out"; \
	done

# It takes hours, and resumes where it stopped. PROOF=-list shows what is left. Built, not run
# with go run, so that an interrupt reaches it.
.PHONY: proof
proof: ## run the checks that take too long for each change, and record them for the table in docs/proof.md
	@$(GO) build -o build/proof ./cmd/proof && exec build/proof $(PROOF)

.PHONY: lint
lint: ## check formatting, and run vet and the linters
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):" $$unformatted; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(TOOL) golangci-lint run ./...

.PHONY: lint-template
lint-template: ## check the SAM template with its tests, cfn-lint, SAM's transform and AWS's rules
	$(GO) test ./internal/template
	$(GO) test -run=Template ./lambda
	@tools/template/check

# The function as it is deployed: for arm64, and reproducible on any machine.
BUILD := CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -buildvcs=false -tags=lambda.norpc -ldflags='-s -w -buildid='

.PHONY: build
build: ## build the function for AWS Lambda: build/bootstrap
	$(BUILD) -o build/bootstrap ./lambda

# What `sam build` calls, in a copy of this directory.
.PHONY: build-RotationFunction
build-RotationFunction:
	$(BUILD) -o $(ARTIFACTS_DIR)/bootstrap ./lambda

# The operator's program, for this machine, or for another one with GOOS and GOARCH.
OPERATOR ?= build/mautic-rotation$(if $(filter windows,$(shell $(GO) env GOOS)),.exe)

.PHONY: operator
operator: ## build the operator's program: build/mautic-rotation
	$(GO) build -ldflags='-s -w -buildid=' -o $(OPERATOR) ./cmd/mautic-rotation

.PHONY: operator-everywhere
operator-everywhere: ## build it for Linux, macOS and Windows, on amd64 and arm64
	@set -e; for os in linux darwin windows; do for arch in amd64 arm64; do \
		file=build/mautic-rotation-$$os-$$arch; [ $$os != windows ] || file=$$file.exe; \
		GOOS=$$os GOARCH=$$arch $(GO) build -ldflags='-s -w -buildid=' -o $$file ./cmd/mautic-rotation; echo $$file; \
	done; done

.PHONY: package
package: build ## build what deploys without the SAM CLI: a template without a macro, and the function's zip (BUCKET=, KEY=)
	@$(GO) run ./cmd/package -function build/bootstrap -bucket '$(BUCKET)' -key '$(KEY)' -out $(or $(OUT),build/package)

.PHONY: check-build
check-build: ## check that the function's build is reproducible
	@tools/check-build

# These targets act on a stack, with the values in samconfig.toml: ENV=staging, ENV=prod.
# There is no default, since dev deploys without asking. They need AWS credentials, and
# deploy needs the SAM CLI.
SETTING  = $(shell awk -F'"' '/^\[/ { here = $$0 == "[$(ENV).deploy.parameters]" } here && /^$(1) / { print $$2 }' samconfig.toml)

.PHONY: which-stack
which-stack:
	@$(if $(ENV),:,$(error which stack? Name its section in samconfig.toml: make $(firstword $(MAKECMDGOALS)) ENV=prod))

.PHONY: check-stack
check-stack: which-stack ## check the values in samconfig.toml for the stack of ENV
	@$(GO) run ./cmd/checkstack $(ENV)

.PHONY: deploy
deploy: check-stack ## build and deploy the stack of ENV (dev, staging, prod)
	sam build
	sam deploy --config-env $(ENV)

.PHONY: preflight rotate logs status
preflight: ## check whether a rotation would work, in ENV
rotate: ## rotate now, in ENV, and follow it
logs: ## follow the function's log, in ENV
status: ## show the state of the credentials, and what needs you, in ENV

# Each runs the operator's program; ARGS adds flags.
logs: ARGS ?= --follow
preflight rotate logs status: which-stack
	@$(GO) run ./cmd/mautic-rotation $@ --region $(call SETTING,region) --stack $(call SETTING,stack_name) $(ARGS)
