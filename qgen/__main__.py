"""`python -m qgen` is `qgen`: this is where the command starts, before anything that takes time is imported."""

import sys


def main() -> None:
    """Run the command line of this process."""
    try:
        from qgen.cli.process import run

        code = run()
    except KeyboardInterrupt:  # before signals were listened to
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
