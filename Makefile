# Portcullis. `make` lists the targets.

SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 20s
# Go calls it a failure when the time ends while it makes an input smaller.
FUZZING   = -fuzztime $(FUZZTIME) -fuzzminimizetime 1x
FUZZ     := FuzzToken FuzzClaims FuzzEmbedded FuzzSpelling FuzzAccessToken FuzzCapability FuzzChannel FuzzSequences FuzzTokenRequest FuzzRoundTrip FuzzHTTP
# What is not a module of the root's own. Every one is tested by `make test`.
MODULES  := e2e bench examples/embed examples/auth-server/go examples/oauth-server
TOOL     := go tool -modfile=tools/go.mod

.PHONY: help run build check test unit modules e2e slow connections faults overload races timing fuzz bench ratios profile docs needs

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: build ## build, and run a server with a random key that shows one admitted and one refused connection
	@exec bin/portcullis dev

build: ## build bin/portcullis
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/portcullis ./cmd/portcullis

check: ## the fast gate: format, vet, staticcheck, architecture, short tests
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'run gofmt -w on the files above' >&2; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	go test -short ./...

test: needs check unit modules ## everything: unit tests with the race detector, vectors, committed fuzz corpora, every module, end to end

unit: # the root module, race detector on; allocation tests are run without it by check
	go test -race ./...

modules: build
	@for m in $(MODULES); do echo "== $$m"; (cd $$m && test -z "$$(gofmt -l . | tee /dev/stderr)" && go vet ./... && go test ./...) || exit 1; done

e2e: needs build ## real clients and token libraries against the booted binary
	cd e2e && go test -count=1 ./...

slow: needs build ## 10,000 slow connections against the booted server, while good clients lose nothing
	cd e2e && PORTCULLIS_LONG=1 go test -count=1 -v -run '^TestSlowConnections$$' .

connections: needs build ## 10,000 idle realtime connections: memory of each, admissions a second, a stop with all of them open
	cd e2e && PORTCULLIS_LONG=1 go test -count=1 -v -run '^TestConnections$$' .

fuzz: ## run every fuzz target for FUZZTIME (20s) each
	@for f in $(FUZZ); do go test ./fuzz -run '^$$' -fuzz "^$$f$$" $(FUZZING); done
	go test ./internal/config -run '^$$' -fuzz '^FuzzLoad$$' $(FUZZING)
	go test ./server/realtime/frame -run '^$$' -fuzz '^FuzzFrame$$' $(FUZZING)
	go test ./server/realtime/frame -run '^$$' -fuzz '^FuzzMsgpack$$' $(FUZZING)
	go test ./server -run '^$$' -fuzz '^FuzzRevokeBody$$' $(FUZZING)
	go test ./store/bolt -run '^$$' -fuzz '^FuzzStateFile$$' $(FUZZING)

faults: needs build ## kills, damage and full disks under the store, the long runs
	PORTCULLIS_STORE_LONG=1 go test -count=1 -timeout 30m -v ./store/...
	cd e2e && PORTCULLIS_LONG=1 go test -count=1 -timeout 30m -v -run '^(TestNothingAcknowledgedIsLostByAKill|TestNothingSpentIsGoodAgainAfterAKill|TestNothingIsAcknowledgedAfterASyncHasFailed|TestInvalidConfigurations)$$' .

overload: needs build ## twice and ten times the TokenRequests that a disk can take, a minute each
	cd e2e && PORTCULLIS_LONG=1 go test -count=1 -timeout 30m -v -run '^TestOverload$$' .

races: ## a million revocations that race with verdicts, without and with a margin, and 50,000 over HTTP; a million introspections while services change; under the race detector
	PORTCULLIS_LONG=1 go test -race -count=1 -timeout 2h -v -run '^TestNo(VerdictAfterRevokeAcceptsTheToken|RequestAfterTheAnswerIsAdmitted)$$' ./engine ./server
	PORTCULLIS_LONG=1 go test -race -count=1 -timeout 2h -v -run '^TestIntrospectionsWhileServicesChange$$' ./oauth

timing: ## can wrong MACs and secrets be told apart by time: a million samples of each, written to docs/results/timing.txt
	@{ uname -srm; go version; } > docs/results/timing.txt
	PORTCULLIS_LONG=1 go test ./internal/timing -count=1 -run '^TestTiming$$' -v | tee -a docs/results/timing.txt

bench: ## benchmarks of the engine, of capabilities, of connections and of introspection, then side by side with the peers
	go test -run '^$$' -bench . -benchmem ./engine ./capability ./server/realtime ./oauth
	cd bench && go test -run '^$$' -bench . -benchmem ./...
	cd bench && go run ./cmd/ratio

ratios: ## one line RATIO name value goal for each performance goal
	cd bench && go run ./cmd/ratio

docs: ## write the generated parts of the documentation
	go generate ./docs

needs: # what the tests need beside Go
	@tools/install.sh
