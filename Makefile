# Everything here needs Go and nothing else; the rest is fetched.
.DEFAULT_GOAL := help

GO   ?= go
TOOL := $(GO) tool -modfile=tools/go.mod

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## a whole rotation on this machine, shown live
	@$(GO) run ./cmd/demo -scenario $(or $(SCENARIO),plain) -database $(or $(DATABASE),mysql)

.PHONY: local
local: ## the same, left up, to try the AWS CLI against
	@$(GO) run ./cmd/demo -stay

.PHONY: test
test: ## all tests, with the race detector
	$(GO) test -race -parallel 6 ./... # tests wait more than they work

.PHONY: crash
crash: ## a crash at every call of a rotation
	@$(GO) run ./cmd/crash $(CRASH)

.PHONY: histories
histories: ## random histories of rotations, edits, redeploys and faults
	$(GO) test ./rotation -run InAnyHistory -timeout 30m -rapid.checks=$(or $(CHECKS),1000) -rapid.steps=45

.PHONY: bench
bench: ## start-up time, size, memory, calls and logins; failed logins by each way
	$(GO) test -run='^$$' -bench=. -benchtime=20x ./lambda
	$(GO) test -run='^$$' -bench=RotationsInARow -benchtime=100x ./rotation/database
	$(GO) test -run='^$$' -bench=Gap -benchtime=5x ./rotation/database

.PHONY: fuzz
fuzz: ## look for documents that a rotation would damage
	$(GO) test -run='^$$' -fuzz=FuzzReplace -fuzztime=$(or $(FUZZTIME),30s) ./rotation/document

.PHONY: lint
lint: ## formatting, vet and linters
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):" $$unformatted; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) golangci-lint run ./...

# The function as it is deployed: for arm64, without what differs from machine
# to machine.
BUILD_FLAGS := -trimpath -buildvcs=false -tags=lambda.norpc -ldflags='-s -w -buildid='

.PHONY: build
build: ## the function for AWS Lambda: build/bootstrap
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build $(BUILD_FLAGS) -o build/bootstrap ./lambda
