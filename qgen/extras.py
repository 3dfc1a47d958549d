"""What is installed along with qgen only on request, under the name by which package indexes know it."""

#: Not `qgen`, which is another project there: docs/decisions/0022.
DISTRIBUTION = "qgen-torch"


def install_command(extra: str) -> str:
    """The shell command that installs qgen with this extra of `pyproject.toml`, quoted for every shell."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'
