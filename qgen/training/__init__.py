"""Training: one loop for every kind of generator, which resumes to the same numbers."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.training.device import choose_device as choose_device
    from qgen.training.ema import MovingAverage as MovingAverage
    from qgen.training.ema import decay_at as decay_at
    from qgen.training.launch import export as export
    from qgen.training.launch import make_fabric as make_fabric
    from qgen.training.launch import open_training_images as open_training_images
    from qgen.training.launch import resume as resume
    from qgen.training.launch import start as start
    from qgen.training.loop import Finished as Finished
    from qgen.training.loop import Trainer as Trainer
    from qgen.training.loop import train as train
    from qgen.training.processes import connected as connected
    from qgen.training.processes import release_workers as release_workers
    from qgen.training.processes import terminate_workers as terminate_workers
    from qgen.training.report import ConsoleReport as ConsoleReport
    from qgen.training.report import Report as Report
    from qgen.training.session import Trained as Trained
    from qgen.training.session import TrainingSession as TrainingSession
    from qgen.training.session import train_stages as train_stages
    from qgen.training.trackers import TensorBoardReport as TensorBoardReport
    from qgen.training.trackers import WandbReport as WandbReport
else:
    __getattr__, __dir__ = lazy_imports(__name__)
