"""One real run a session: loading and syncing 340,000 events once is enough."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import needs_service
from tests.real.run import DATA_VARIABLE, RealRun, data_folder, real_run
from tests.support.mariadb import MariaServer
from tests.support.postgres import Server


@pytest.fixture(scope="session")
def run(
    postgres_server: Server, maria_server: MariaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealRun]:
    """The warehouse with every real record, after its first night."""
    data = data_folder()
    if not (data / "bpic15").is_dir():
        needs_service(
            f"the real records are not in {data.name}/ beside the project: set "
            f"{DATA_VARIABLE} to their folder"
        )
    folder = tmp_path_factory.mktemp("real")
    with real_run(postgres_server, maria_server, folder=folder, data=data) as done:
        yield done
