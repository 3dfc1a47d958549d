"""Training: one loop for every kind of generator, which resumes to the same numbers."""

from qgen.training.classifying import Classified as Classified
from qgen.training.classifying import write_classifier as write_classifier
from qgen.training.ema import MovingAverage as MovingAverage
from qgen.training.ema import decay_at as decay_at
from qgen.training.loop import Finished as Finished
from qgen.training.loop import Trainer as Trainer
from qgen.training.loop import train as train
from qgen.training.report import ConsoleReport as ConsoleReport
from qgen.training.report import Report as Report
from qgen.training.report import TensorBoardReport as TensorBoardReport
from qgen.training.start import choose_device as choose_device
from qgen.training.start import end_others as end_others
from qgen.training.start import go_on as go_on
from qgen.training.start import make_fabric as make_fabric
from qgen.training.start import start as start
