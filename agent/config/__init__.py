"""The settings of one shop's agent, from one YAML file.

What they are: settings, line, signatures, console, notices. How the file is read: file, rules, warnings, words. How a
machine writes it: write, edits, changes. How it comes to a box: setupfile, bootfile, pairing; and lastgood, while it is
wrong.
"""

from agent.config.file import load, read_file
from agent.config.line import PASSWORD_VARIABLE, Broker
from agent.config.settings import (
    CommandName,
    Commands,
    Config,
    Intake,
    Limits,
    MappedTopic,
    Printer,
    Printing,
    Report,
    Updates,
)
from agent.config.signatures import SignatureKey, Signatures

__all__ = [
    "PASSWORD_VARIABLE",
    "Broker",
    "CommandName",
    "Commands",
    "Config",
    "Intake",
    "Limits",
    "MappedTopic",
    "Printer",
    "Printing",
    "Report",
    "SignatureKey",
    "Signatures",
    "Updates",
    "load",
    "read_file",
]
