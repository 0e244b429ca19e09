# virt-netboot. `make help` lists the targets.

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   := -s -w -X github.com/virt-netboot/virt-netboot/internal/version.Version=$(VERSION)
GO        ?= go
GOTESTSUM := $(GO) tool gotestsum
# A test that fails runs again, as a whole, and is named.
RERUN     := --rerun-fails=2 --rerun-fails-run-root-test --rerun-fails-report bin/reruns.txt
FORGET    := @mkdir -p bin && rm -f bin/reruns.txt
TELL      := @if [ -s bin/reruns.txt ]; then echo "not at the first attempt:"; cat bin/reruns.txt; fi
FUZZTIME  ?= 30s
SOAKTIME  ?= 30m

export CGO_ENABLED = 0

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/virt-netboot and bin/qemu-hook
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/virt-netboot ./cmd/virt-netboot
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/qemu-hook ./cmd/qemu-hook

.PHONY: demo
demo: deps ## an instance of Nova's boots from the network, shown step by step
	@echo "building the programs: seconds, or minutes the first time"
	@$(MAKE) --silent build
	@$(GO) run ./e2e/demo

.PHONY: demo-full
demo-full: deps build ## the same with the tenants' DHCP and web servers, as a timeline
	@$(GO) run ./e2e/demo --full

.PHONY: test
test: deps build lint ## everything: linters, unit tests under the race detector, the lab
	$(FORGET)
	CGO_ENABLED=1 $(GOTESTSUM) --format pkgname --hide-summary skipped --jsonfile bin/test.json $(RERUN) \
		--packages ./... -- -race -count=1 -timeout 60m
	$(TELL)
	@./e2e/left-out bin/test.json

.PHONY: unit
unit: ## the tests that need no libvirt
	$(GOTESTSUM) --format pkgname -- -p 4 $$($(GO) list ./... | grep -v /e2e)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, deadcode
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags packages,virtqemud ./e2e/packages ./e2e/nspawn
	$(GO) tool staticcheck -tags openstack ./e2e/openstack/...
	@dead=$$($(GO) tool deadcode -test ./...) && test -z "$$dead" || { echo "$$dead"; exit 1; }

.PHONY: corpus
corpus: ## the 1,800 domains of libvirt's own tests: how many change, are refused, stay valid
	@./e2e/libvirt-domains bin/libvirt-domains
	DOMAIN_CORPUS=$(CURDIR)/bin/libvirt-domains $(GO) test ./domainxml -count=1 -v -run "Corpus|View"

.PHONY: fuzz
fuzz: ## each fuzz target in the tree for FUZZTIME (30s)
	@grep -ro --include='*_test.go' '^func Fuzz[[:alnum:]_]*' . | sed 's|/[^/]*:func | |' | sort | { \
		failed=0; \
		while read -r package target; do \
			echo "$$package $$target"; \
			$(GO) test "$$package" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s </dev/null || failed=1; \
		done; \
		exit $$failed; \
	}

.PHONY: soak
soak: deps ## 20 clients while agent, libvirtd, journal and disk fail, for SOAKTIME (30m)
	SOAKTIME=$(SOAKTIME) $(GO) test ./e2e -run '^TestSoak$$' -count=1 -v -timeout 0

.PHONY: bench
bench: deps build ## speed against what people would use otherwise, as ratios
	@$(GO) run ./e2e/bench

.PHONY: packages
packages: ## dist/*.deb and dist/*.rpm, for amd64 and arm64
	@./packaging/build dist

.PHONY: release
release: ## dist/ with the packages of a clean tag, what is in them (CycloneDX), and SHA256SUMS
	@./packaging/release dist

.PHONY: lint-packages
lint-packages: packages-deps packages ## what lints packages, scripts, units, pages, alerts, Puppet, Ansible
	@./packaging/lint dist

.PHONY: test-packages
test-packages: lint-packages ## the packages in a Debian that systemd runs (DEBIAN_RELEASE=trixie: 13)
	$(FORGET)
	$(GOTESTSUM) --format standard-verbose $(RERUN) --packages ./e2e/packages -- -tags packages -count 1 -timeout 65m
	$(TELL)

.PHONY: test-virtqemud
test-virtqemud: packages-deps ## the package on a node with virtqemud (VIRTQEMUD=DIR, of e2e/packages/build-virtqemud)
	VIRTQEMUD=$(or $(abspath $(VIRTQEMUD)),$(error VIRTQEMUD names no directory: e2e/packages/build-virtqemud makes one)) \
		$(GO) test -tags packages,virtqemud ./e2e/packages -run TestVirtqemud -count 1 -v -timeout 30m

.PHONY: test-openstack
test-openstack: openstack-deps ## a real OpenStack in a container, with three of Neutron's drivers (RUN=TestOVN: one)
	$(GO) test -tags openstack ./e2e/openstack -run '^$(or $(RUN),Test(LinuxBridge|OpenVSwitch|OVN))$$' -count 1 -v -timeout 120m

.PHONY: demo-openstack
demo-openstack: openstack-deps ## an instance of a real OpenStack boots its disk, and then its tenant's script
	@$(MAKE) --silent packages ARCHS=$$(dpkg --print-architecture)
	@$(GO) run -tags openstack ./e2e/openstack/demo

.PHONY: deps
deps:
	@./e2e/install-packages

.PHONY: packages-deps
packages-deps:
	@./e2e/install-packages shellcheck lintian rpmlint rpm debootstrap systemd-container \
		puppet-agent puppet-lint ansible ansible-lint curl

.PHONY: openstack-deps
openstack-deps:
	@./e2e/install-packages debootstrap systemd-container

.PHONY: clean
clean: ## remove what was built
	rm -rf bin demo dist
