"""Draw a circuit into a file."""

from pathlib import Path
from typing import TYPE_CHECKING

from qgen.errors import QgenError
from qgen.figures import ENDINGS as FIGURE_ENDINGS
from qgen.figures import save_figure

if TYPE_CHECKING:
    from qgen.circuits import LayerCircuit

ENDINGS = (*FIGURE_ENDINGS, ".txt")


def save_drawing(circuit: "LayerCircuit", path: Path) -> None:
    """Draw a circuit into a file: as unfolded text if its suffix is `.txt`, otherwise as a picture.

    Raises:
        QgenError: the circuit is too large, or the file cannot be written.
    """
    from qgen.circuits.describe import is_too_large_to_draw

    drawn = circuit.circuit
    if is_too_large_to_draw(drawn):
        raise QgenError(f"{len(drawn.data):,} gates on {drawn.num_qubits:,} qubits are not drawn: take fewer of them.")
    try:
        if path.suffix.lower() == ".txt":
            path.write_text(f"{drawn.draw('text', fold=-1)}\n", encoding="utf-8")
        else:
            import matplotlib

            matplotlib.use("agg")  # needs no display, and opens no window
            save_figure(drawn.draw("mpl", fold=25), path)
    except OSError as error:
        raise QgenError(f"Cannot write {path}: {error.strerror or error}.") from error
