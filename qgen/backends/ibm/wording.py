"""Text that a service sent, made fit for a terminal, a log and a journal."""

from __future__ import annotations

import re
import unicodedata

#: Characters of a message that are kept, and of a name.
MOST, MOST_OF_NAME = 300, 80
#: What terminals take for orders: colours, the clipboard, the title.
_ORDERS = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]", re.S
)


def clean(text: object, most: int = MOST) -> str:
    """One line without control characters, no longer than so many characters.

    Invisible characters and those that change the direction of writing are left out too.
    """
    # A far longer text is cut first, so that it costs nothing.
    plain = _ORDERS.sub(" ", str(text)[: 20 * most])
    kept = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in plain)
    words = " ".join(kept.split())
    return words if len(words) <= most else f"{words[: most - 4]} ..."
