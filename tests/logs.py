"""Holds the log of the whole test run to its rule: no line names a patient or quotes what stands in a record.

Lines are looked at as the server would write them (service/logs.py).
"""

import logging
import re

from service.logs import Wordless

# Patients of the tests' world, and the words sown into their records; clinicians may be named.
NAMED = re.compile(r"\b(?:Ada|Eve|Fay)\b|canary-|canary(?:ada|eve)\d|private-")

faults: list[str] = []


class Watch(logging.Handler):
    """`lines` counts, for a test that must not be content with an empty log."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Wordless())
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        self.lines += 1
        if NAMED.search(line):
            faults.append(line)


watch = Watch()
