"""One suite for every link and every ESC/POS printer: `run_checks` tries what a connector leads to, and reports."""

from agent.printers.conformance.report import Report, Result
from agent.printers.conformance.run import run_checks
from agent.printers.conformance.table import CHECKS, Check

__all__ = ["CHECKS", "Check", "Report", "Result", "run_checks"]
