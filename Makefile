# Every target makes the virtual environment it needs; `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
TESTED := .venv/.tested

.PHONY: help demo test exchange check bench explain clean

help:
	@echo "make demo             train, evaluate, save, reload and predict on real data"
	@echo "make test             the whole test suite on every backend"
	@echo "make exchange         files to and from real Keras, and real models that are downloaded"
	@echo "make check            formatting, lint, types, house rules, fast tests, yardsticks"
	@echo "make bench [only=NAME] speed against the frameworks themselves and against Keras"
	@echo "           [peers=\"A B\"] ... of these alone, which a report does not keep"
	@echo "make explain op=NAME  who runs an operation on which backend"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tahr needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -e '.[jax,torch,dev]' -c constraints.txt
	@touch $@

# TensorFlow is large, and only tests need it
$(TESTED): $(STAMP)
	$(BIN)/python -m pip install -q 'tensorflow-cpu; platform_machine == "x86_64"' 'tensorflow; platform_machine != "x86_64"' -c constraints.txt
	@touch $@

demo: $(STAMP)
	$(BIN)/python examples/demo.py

test: $(TESTED)
	$(BIN)/python tests/run_all.py

exchange: $(STAMP)
	$(BIN)/python tests/run_all.py exchange

check: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/pytest -q -n 2 -m "not slow and not network"
	$(BIN)/python -m tests.house

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py $(if $(only),--only $(only)) $(if $(peers),--peers $(peers))

explain: $(STAMP)
	@test -n "$(op)" || { echo "usage: make explain op=NAME, for instance: make explain op=sinc"; exit 2; }
	@$(BIN)/python -m tahr explain $(op)

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
