"""Reports for people and machines: an HTML toolkit, and the transpilation report."""

from qgen.reports.transpilation.report import ReportOptions as ReportOptions
from qgen.reports.transpilation.report import report_with_circuits as report_with_circuits
from qgen.reports.transpilation.report import transpile_report as transpile_report
from qgen.reports.transpilation.result import DeviceReport as DeviceReport
from qgen.reports.transpilation.result import TranspilationReport as TranspilationReport
from qgen.reports.transpilation.workload import WorkloadSpec as WorkloadSpec
