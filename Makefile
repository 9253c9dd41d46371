# Everything here needs Go and nothing else; the rest is fetched.
.DEFAULT_GOAL := help

GO   ?= go
TOOL := $(GO) tool -modfile=tools/go.mod

# All is built in the way in which the function is: so what was compiled for one
# target or in one clone need not be for the next, and tests link and start faster.
# The race detector alone is C.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(GOFLAGS) $(if $(filter -trimpath,$(GOFLAGS)),,-trimpath))
race: export CGO_ENABLED := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## a whole rotation on this machine, shown live
	@$(GO) run ./cmd/demo -scenario $(or $(SCENARIO),plain) -database $(or $(DATABASE),mysql)

.PHONY: local
local: ## the same, left up, to try the operator's program and the AWS CLI against
	@$(GO) run ./cmd/demo -stay -scenario $(or $(SCENARIO),plain) -database $(or $(DATABASE),mysql)

# Tests wait more than they work, so more packages and tests run at once than
# there are cores; the packages that take longest come first. GOGC=800 trades
# memory for time, in the linker too. To link a test without what a debugger reads
# takes a third less, and vet is make check's.
.PHONY: test
test: servers ## all tests
	@GOGC=800 tools/timed "make test" $(GO) test -vet=off -ldflags=-w -p 4 -parallel 12 ./lambda ./rotation/... ./...

# The race detector has nothing to find in bcrypt's inner loop, and makes it many
# times slower.
.PHONY: race
race: servers ## all tests, with the race detector; in the function's process too
	@tools/timed "make race" $(GO) test -race -parallel 6 -gcflags=golang.org/x/crypto/blowfish=-race=false ./lambda ./rotation/... ./...

.PHONY: check
check: ## what is quick: formatting, vet, linters, and all tests that need no server
	@tools/timed "make check" sh -c '$(MAKE) --no-print-directory lint && $(GO) test -short ./...'

.PHONY: busy
busy: ## make test three times in a row while six busy processes keep every core loaded
	@tools/busy $(MAKE) --no-print-directory test

.PHONY: servers
servers: ## fetch the database servers that the tests run on, and say which they are
	@$(GO) run ./cmd/servers

# By a shell, as a reader would: with the AWS CLI, which is fetched, and the built program.
.PHONY: docs
docs: servers ## type every command of README and docs/ against a running deployment
	@tools/timed "make docs" $(GO) test ./cmd/mautic-rotation -run='Pages|InTheDocs' -count=1 -timeout 20m $(DOCS) -args -pages

.PHONY: crash
crash: ## a crash at every call of a rotation
	@$(GO) run ./cmd/crash $(CRASH)

# Built, not run, so that the rows of plan.Decide are counted that it reaches.
.PHONY: explore
explore: ## every history of two invocations with at most two disturbances
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
		$(GO) build -cover -covermode=atomic -coverpkg=mautic-rotation/rotation/plan,mautic-rotation/cmd/explore -o "$$dir/explore" ./cmd/explore && \
		GOGC=100 GOCOVERDIR=$$dir "$$dir/explore" $(if $(REPLAY),-replay '$(REPLAY)') $(EXPLORE)

.PHONY: histories
histories: ## random histories of rotations, edits, redeploys and faults
	$(GO) test ./rotation -run InAnyHistory -timeout 30m -rapid.checks=$(or $(CHECKS),1000) -rapid.steps=45

.PHONY: policies
policies: servers ## each way to change a password under each policy, to each end; the table goes into docs/database.md
	$(GO) test ./rotation/database -run=TestPolicyMatrix -count=1 -timeout 45m -args -policies=$(CURDIR)/docs/database.md

# AWS=1 takes the credentials and the region of the AWS CLI: AWS_PROFILE=scratch make contract AWS=1
.PHONY: contract
contract: ## whether AWS does what is believed of it: asks the stand-in, and with AWS=1 a scratch account of yours (some cents)
	@$(GO) run ./cmd/contract $(if $(AWS),-aws) $(CONTRACT)

.PHONY: bench
bench: ## start-up time, size, memory, calls and logins; failed logins by each way
	$(GO) test -run='^$$' -bench=. -benchtime=20x ./lambda
	$(GO) test -run='^$$' -bench=Program -benchtime=20x ./cmd/mautic-rotation
	$(GO) test -run='^$$' -bench=RotationsInARow -benchtime=100x ./rotation/database
	$(GO) test -run='^$$' -bench=Gap -benchtime=5x ./rotation/database

# FIGURES='-from docs/figures/measured.json' draws again without measuring.
.PHONY: figures
figures: ## measure a rotation by ALTER USER and one by the function, and draw both into docs/figures
	@$(GO) run ./cmd/figures $(FIGURES)

.PHONY: mutate
mutate: ## break the engine on purpose, in one way after another, and see a test notice
	@$(GO) run ./cmd/mutate $(MUTATE)

# go test itself fails at times with "context deadline exceeded" when the time is over,
# and has found nothing then: such a target is run once more.
.PHONY: fuzz
fuzz: ## hostile input to all that parses: each fuzz target in turn, for FUZZTIME (30s), or only TARGET=./lambda:FuzzParse
	@set -e; $(if $(TARGET),echo '$(TARGET)',grep -ro '^func Fuzz[A-Za-z0-9]*' --include='*_test.go' . | sed 's,/[^/]*:func ,:,' | sort) | while IFS=: read -r dir target; do \
		echo "$$target in $$dir"; \
		run() { $(GO) test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(or $(FUZZTIME),30s) -fuzzminimizetime=1s $(FUZZ) "$$dir" </dev/null; }; \
		if ! out=$$(run); then \
			case $$out in *"Failing input"*) echo "$$out"; exit 1 ;; *"context deadline exceeded"*) out=$$(run) || { echo "$$out"; exit 1; } ;; *) echo "$$out"; exit 1 ;; esac; \
		fi; echo "$$out"; \
	done

# It takes hours, and goes on where it was. PROOF=-list tells what is left. Built, not run,
# so that an interrupt reaches it.
.PHONY: proof
proof: ## run what takes too long for each change, and record it for the table in docs/proof.md
	@$(GO) build -o build/proof ./cmd/proof && exec build/proof $(PROOF)

.PHONY: lint
lint: ## formatting, vet and linters
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):" $$unformatted; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(TOOL) golangci-lint run ./...

.PHONY: lint-template
lint-template: ## the SAM template: own tests, cfn-lint, SAM's transform, AWS's rules
	$(GO) test ./internal/template
	$(GO) test -run=Template ./lambda
	@tools/template/check

# The function as it is deployed: for arm64, without what differs from machine
# to machine.
BUILD := CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -buildvcs=false -tags=lambda.norpc -ldflags='-s -w -buildid='

.PHONY: build
build: ## the function for AWS Lambda: build/bootstrap
	$(BUILD) -o build/bootstrap ./lambda

# What `sam build` calls, in a copy of this directory.
.PHONY: build-RotationFunction
build-RotationFunction:
	$(BUILD) -o $(ARTIFACTS_DIR)/bootstrap ./lambda

# The operator's program, for the machine that it is built on, or for another by GOOS and GOARCH.
OPERATOR ?= build/mautic-rotation$(if $(filter windows,$(shell $(GO) env GOOS)),.exe)

.PHONY: operator
operator: ## the operator's program: build/mautic-rotation
	$(GO) build -ldflags='-s -w -buildid=' -o $(OPERATOR) ./cmd/mautic-rotation

.PHONY: operator-everywhere
operator-everywhere: ## the same for Linux, macOS and Windows, on amd64 and arm64
	@set -e; for os in linux darwin windows; do for arch in amd64 arm64; do \
		file=build/mautic-rotation-$$os-$$arch; [ $$os != windows ] || file=$$file.exe; \
		GOOS=$$os GOARCH=$$arch $(GO) build -ldflags='-s -w -buildid=' -o $$file ./cmd/mautic-rotation; echo $$file; \
	done; done

.PHONY: package
package: build ## what deploys without the SAM CLI: a template without a macro, and the function's zip (BUCKET=, KEY=)
	@$(GO) run ./cmd/package -function build/bootstrap -bucket '$(BUCKET)' -key '$(KEY)' -out $(or $(OUT),build/package)

.PHONY: check-build
check-build: ## whether the function comes out the same wherever it is built
	@tools/check-build

# What follows is about a stack, by the values in samconfig.toml: ENV=staging,
# ENV=prod. None is the default, since dev deploys without a question. It needs the
# AWS CLI, and to deploy the SAM CLI.
SETTING  = $(shell awk -F'"' '/^\[/ { here = $$0 == "[$(ENV).deploy.parameters]" } here && /^$(1) / { print $$2 }' samconfig.toml)

.PHONY: which-stack
which-stack:
	@$(if $(ENV),:,$(error which stack? Name its section in samconfig.toml: make $(firstword $(MAKECMDGOALS)) ENV=prod))

.PHONY: check-stack
check-stack: which-stack ## look through what samconfig.toml gives to the stack of ENV
	@$(GO) run ./cmd/checkstack $(ENV)

.PHONY: deploy
deploy: check-stack ## build and deploy the stack of ENV (dev, staging, prod)
	sam build
	sam deploy --config-env $(ENV)

.PHONY: preflight rotate logs status
preflight: ## ask whether a rotation would work, in ENV
rotate: ## rotate now, in ENV, and follow it
logs: ## follow the function's log, in ENV
status: ## show how the credentials stand, and what needs you, in ENV

# Each runs the operator's program; ARGS has further flags of it.
logs: ARGS ?= --follow
preflight rotate logs status: which-stack
	@$(GO) run ./cmd/mautic-rotation $@ --region $(call SETTING,region) --stack $(call SETTING,stack_name) $(ARGS)
