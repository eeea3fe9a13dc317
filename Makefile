# Two commands set everything up on a fresh Debian or Ubuntu machine with Swift: `make demo` and `make test`.
SWIFT ?= swift
DATA ?=
OUT ?= out/demo
BENCH_ARGUMENTS ?=
TEST_ARGUMENTS ?=
DTYPES_ARGUMENTS ?=
TORCH ?=
LLMC ?=
TRAINING_ARGUMENTS ?=
GRADIENTS ?= out/gradients-124m

.PHONY: help deps demo bench papers dtypes peers peers-training gradients-124m test test-consumer lint format sanitize test-c test-arm64 docs clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install libopenblas-dev, libomp-dev, libhwloc-dev, zlib1g-dev and pkg-config where they are missing
	@sh scripts/deps.sh

demo: deps ## train, distil, prune, quantize and report, on this machine (DATA=FILE OUT=DIR)
	$(SWIFT) build --product alambic
	$(SWIFT) run --skip-build alambic demo $(if $(DATA),--data "$(DATA)") --out "$(OUT)"

bench: deps ## every kernel's speed as a fraction of this machine's limit (BENCH_ARGUMENTS="matmul --threads 1")
	$(SWIFT) run bench $(BENCH_ARGUMENTS)

papers: deps ## the papers' own results on real data (ALAMBIC_DATA=DIR PAPERS_ARGUMENTS="hinton --quick")
	$(SWIFT) build --product papers
	$(SWIFT) run --skip-build papers $(PAPERS_ARGUMENTS)

dtypes: ## loss curves of f32, bf16, int8-mixed and f16 training with the same seed (DATA=FILE DTYPES_ARGUMENTS="--steps 500")
	$(SWIFT) build --product alambic
	@sh scripts/dtypes.sh "$(DATA)" "$(if $(filter out/demo,$(OUT)),out/dtypes,$(OUT))" $(DTYPES_ARGUMENTS)

peers: ## set up the competitors in .build/peers: torch, onnxruntime, oneDNN, OpenBLAS, llm.c
	@TORCH="$(TORCH)" LLMC="$(LLMC)" sh scripts/peers.sh

peers-training: ## training steps, ours, torch's and llm.c's in turn (TRAINING_ARGUMENTS="--shapes all --minutes 30")
	$(SWIFT) build -c release --product bench
	.build/peers/venv/bin/python -B benchmarks/peers/training.py $(TRAINING_ARGUMENTS)

gradients-124m: ## every gradient of the whole GPT-2 against torch's, in double precision (GRADIENTS=DIR takes 1 GB)
	.build/peers/venv/bin/python -B benchmarks/peers/reference_gradients.py "$(GRADIENTS)" --model gpt2-124m
	$(SWIFT) build --build-tests
	ALAMBIC_GRADIENTS="$(GRADIENTS)" $(SWIFT) test --skip-build --filter ReferenceGradientTests

bench-static: deps ## a tarball of bench for other Linux machines, without Swift
	sh scripts/bench-static.sh

test: deps ## the whole test suite (TEST_ARGUMENTS="--filter Matmul"; ALAMBIC_DATA=DIR adds tests on real data)
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build $(TEST_ARGUMENTS)

test-consumer: deps ## build and run README's example as a package that depends on a tag of this one
	sh scripts/test-consumer.sh

lint: ## formatting, module boundaries and habits that a command can check
	@sh scripts/lint.sh

format: ## rewrite Swift and C sources in the project's format
	@sh scripts/format.sh

sanitize: deps ## kernel and file tests under the address and undefined-behaviour sanitizers
	sh scripts/sanitize.sh

test-c: deps ## a smoke test of CKernels in plain C, without Swift
	$(MAKE) -C CKernels/tests OUT=$(CURDIR)/.build/test-c check

test-arm64: ## the same compiled for 64-bit ARM, under qemu-aarch64
	@for tool in qemu-aarch64 aarch64-linux-gnu-ld; do command -v $$tool >/dev/null || { \
	    echo "test-arm64: no $$tool; apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross" >&2; exit 1; }; done
	$(MAKE) -C CKernels/tests CC="clang --target=aarch64-linux-gnu" OPENMP= HWLOC= OUT=$(CURDIR)/.build/test-arm64 \
	    RUN="qemu-aarch64 -L /usr/aarch64-linux-gnu" check

docs: ## DocC archives of the library modules, in .build/docs
	sh scripts/docs.sh

clean: ## remove build products and results
	rm -rf .build out
