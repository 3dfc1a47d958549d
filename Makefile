.PHONY: install test slow lint types bench ci

install:
	python -m pip install -e ".[dev]"

test:
	pytest

slow:
	pytest -m slow

lint:
	ruff check
	ruff format --check
	lint-imports

types:
	mypy

bench:
	python benchmarks/layer.py

ci:
	.ci/run
