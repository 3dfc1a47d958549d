"""What a circuit becomes on a device: a search for the best way to put it there, and what that costs and is worth."""

from qgen.transpilation.cost import WorkloadCost as WorkloadCost
from qgen.transpilation.cost import workload_cost as workload_cost
from qgen.transpilation.figures import measure as measure
from qgen.transpilation.result import Candidate as Candidate
from qgen.transpilation.result import Figures as Figures
from qgen.transpilation.result import Success as Success
from qgen.transpilation.search import Found as Found
from qgen.transpilation.search import search as search
