# Two commands do everything: `make demo` builds p2pd and shows its main job, `make check` runs every test.
# Both install the Debian packages they need first.
.PHONY: demo check build tsan tidy lab bench torture format install deb deb-test clean

JOBS ?= $(shell nproc)

build:
	scripts/install-deps build
	cmake --preset release
	cmake --build --preset release -j $(JOBS)

demo: build
	scripts/demo build/release

check:
	scripts/install-deps check
	scripts/check

# The tests of what has threads under ThreadSanitizer.
tsan:
	scripts/install-deps check
	cmake --preset tsan
	cmake --build --preset tsan -j $(JOBS)
	ctest --test-dir build/tsan --output-on-failure --no-tests=error -j $(JOBS)

tidy:
	scripts/install-deps check
	scripts/tidy

# The NAT laboratory (docs/lab.md): every pair of networks, and scenes with faults, as tables and JSON. Needs root or user namespaces.
lab:
	scripts/install-deps check
	cmake --preset dev
	cmake --build --preset dev -j $(JOBS) --target p2pd p2pctl p2p-relay lab_nat lab_wire
	scripts/lab build/dev

bench: build
	scripts/install-deps bench
	python3 bench/run.py build/release --json build/bench.json --svg build/bench.svg

# Longer than `make check` allows: many more simulated schedules and kills.
torture:
	scripts/install-deps check
	scripts/torture

format:
	scripts/install-deps check
	scripts/sources | xargs clang-format-14 -i

install: build
	cmake --install build/release

# Debian packages, into build/deb.
deb:
	scripts/install-deps deb
	packaging/build-deb

# Installs, upgrades and purges them in fresh machines, and sends 4 GiB between two while everything is killed once. Needs root.
deb-test: deb
	packaging/test-deb

clean:
	rm -rf build
