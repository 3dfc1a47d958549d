"""Images that were sampled, with where they came from: shown by notebooks, written as the command writes them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from torch import Tensor

from qgen import storage
from qgen.data import ImageSet, save_samples
from qgen.data.image_files import as_bytes, to_pillow
from qgen.errors import RunError, counted
from qgen.runs import writing

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class Images:
    """Samples of a generator. A notebook shows them as a grid.

    Attributes:
        values: (N, C, H, W), float32 in [-1, 1]: black is -1, white is 1; C = 1 (grey) or 3 (RGB). Samples of a
            D-dimensional distribution are (N, D, 1, 1).
        facts: run, step, seed, sampler, backend with its jobs, and versions, as plain values.
        real: samples of the distribution that was learned, to be drawn beside them; None for images.
    """

    values: Tensor
    facts: Mapping[str, Any]
    real: ImageSet | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        shape, backend = "x".join(map(str, self.values.shape[1:])), self.facts["backend"]["name"]
        what, seed = counted(len(self), "image"), self.facts["seed"]
        return f"<{what} of {shape} from {self.facts['run']} on {backend}, seed {seed}>"

    @property
    def images(self) -> list[Image]:
        """The N images as Pillow images of their own size, grey or RGB.

        Raises:
            DataError: they have neither one channel nor three.
        """
        return [to_pillow(pixels) for pixels in as_bytes(self.values)]

    def draw(self) -> Image:
        """Return the grid of all images, or the histograms of samples of a distribution, as a Pillow image."""
        from PIL import Image

        with TemporaryDirectory() as folder:
            file = Path(folder, "grid.png")
            save_samples(self.values, file, self.real)
            return Image.open(io.BytesIO(file.read_bytes()))

    def save(self, path: str | Path) -> Path:
        """Write the grid as a PNG file, and the facts as a JSON file beside it; return the path of the grid.

        Raises:
            RunError: a file cannot be written, or its name does not end in .png.
        """
        grid = Path(path)
        if grid.suffix.lower() != ".png":
            raise RunError(f"{grid}: images are written as a PNG file, whose name ends in .png")
        with writing(grid):
            grid.parent.mkdir(parents=True, exist_ok=True)
            save_samples(self.values, grid, self.real)
            storage.write_text(
                grid.with_suffix(".json"), json.dumps(dict(self.facts), indent=2, ensure_ascii=False) + "\n"
            )
        return grid

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.draw().save(stream, "PNG")
        return stream.getvalue()
