"""Writes the parts of the pages here that come from the code: `python docs/generate.py`."""

from pathlib import Path

from qgen.noise import NoiseSettings
from qgen.runs import RunConfig
from qgen.runs.keys import list_keys, markdown

HERE = Path(__file__).parent
START, END = "<!-- keys: written by docs/generate.py -->\n", "<!-- end of keys -->"
PAGES = {"settings.md": RunConfig, "noise-files.md": NoiseSettings}


def written(page: str) -> str:
    """The page, with its table as the code has it now."""
    before, start, rest = (HERE / page).read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"{page} has no place for its keys: {START.strip()} ... {END}")
    return f"{before}{START}{markdown(list_keys(PAGES[page]))}{END}{after}"


if __name__ == "__main__":
    for page in PAGES:
        (HERE / page).write_text(written(page), encoding="utf-8")
