"""`python -m qgen` is `qgen`."""

from qgen.cli.main import main

if __name__ == "__main__":
    main()
