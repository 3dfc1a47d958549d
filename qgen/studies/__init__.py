"""Studies: several runs that are trained to be compared, and what may be said of them."""

from qgen.studies.comparison import Comparison as Comparison
from qgen.studies.comparison import Difference as Difference
from qgen.studies.comparison import Group as Group
from qgen.studies.comparison import compare as compare
from qgen.studies.plan import Plan as Plan
from qgen.studies.plan import Task as Task
from qgen.studies.plan import make_plan as make_plan
from qgen.studies.plan import read_plan as read_plan
from qgen.studies.plan import write_plan as write_plan
from qgen.studies.training import Trained as Trained
from qgen.studies.training import is_finished as is_finished
from qgen.studies.training import train_all as train_all
