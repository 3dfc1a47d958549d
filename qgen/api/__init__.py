"""The Python door to all that the commands do: `qgen.train`, `qgen.load`, and what these return."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.api.images import Images as Images
    from qgen.api.run import TrainedRun as TrainedRun
    from qgen.api.run import load as load
    from qgen.api.training import train as train
else:
    __getattr__, __dir__ = lazy_imports(__name__)
