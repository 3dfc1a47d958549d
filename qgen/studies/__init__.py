"""Studies: cells of a grid, tasks that are run in each cell, executors that run them, and reports on the results."""

from qgen.studies.executor import Executor as Executor
from qgen.studies.executor import Failure as Failure
from qgen.studies.executor import Outcome as Outcome
from qgen.studies.executor import Status as Status
from qgen.studies.folder import make_report as make_report
from qgen.studies.folder import read_study as read_study
from qgen.studies.folder import run_study as run_study
from qgen.studies.folder import write_report as write_report
from qgen.studies.folder import write_study as write_study
from qgen.studies.layout import read_result as read_result
from qgen.studies.layout import result_file as result_file
from qgen.studies.layout import write_result as write_result
from qgen.studies.local import LocalExecutor as LocalExecutor
from qgen.studies.registry import KINDS as KINDS
from qgen.studies.study import Report as Report
from qgen.studies.study import Study as Study
from qgen.studies.study import StudyKind as StudyKind
from qgen.studies.tasks import Cell as Cell
from qgen.studies.tasks import Task as Task
from qgen.studies.tasks import TaskContext as TaskContext
from qgen.studies.tasks import TrainTask as TrainTask
