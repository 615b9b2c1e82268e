"""The prepared process that workers are forked from, and the report of the long form."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.finding import LONG, REPORT, found, write_report
from tests.torture.zygote import Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    started = Zygote(tmp_path_factory.mktemp("zygote"))
    yield started
    started.end()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if LONG and found:
        write_report(Path(session.config.rootpath) / REPORT)
