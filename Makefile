# make demo | test | test-long | lint | setup | lock | clean; docs/development.md says more.
# As root, or as a user who may use sudo: MTAs run in their own namespaces.

PYTHON ?= python3
export PYTHON

bin := .venv/bin
sudo := $(if $(filter-out 0,$(shell id -u)),sudo --preserve-env=CI,)
code := cli milter tracer store reports web tests demo bench tools

.NOTPARALLEL:

.PHONY: setup demo test test-long lint unit lock clean

test: lint unit

setup:
	@tools/setup

demo:
	@tools/setup demo
	@$(sudo) env PYTHONPATH=tests $(bin)/python demo/run.py

lint: setup
	$(bin)/ruff check $(code)
	$(bin)/ruff format --check $(code)
	$(bin)/mypy

unit: setup
	$(sudo) $(bin)/pytest -m "not long"

test-long: setup
	$(sudo) $(bin)/pytest -m long -rP

lock: setup
	tools/lock

clean:
	$(sudo) rm -rf .venv .testbed demo-output build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
