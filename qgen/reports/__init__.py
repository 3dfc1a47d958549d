"""Reports for people and machines: what circuits become on devices."""

from qgen.reports.report import Extras as Extras
from qgen.reports.report import report_with_circuits as report_with_circuits
from qgen.reports.report import transpile_report as transpile_report
from qgen.reports.result import DeviceReport as DeviceReport
from qgen.reports.result import TranspilationReport as TranspilationReport
from qgen.reports.workload import Work as Work
