.PHONY: install test slow lint types docs bench ci

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

docs:
	mkdocs build

bench:
	python benchmarks/layer.py

ci:
	.ci/run
