"""A reader's connection that breaks when it is given back breaks nobody's read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.files.connector import FilesConnector
from flows import steps
from flows.cli import main
from tests.flows.cli_office import YAML, open_office


@pytest.mark.parametrize("broken", [1, 2], ids=["before the next source", "at the reader's end"])
def test_a_connection_that_can_t_be_closed_takes_nobody_s_rows(
    tmp_path: Path, broken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office(tmp_path)
    office.add_source("xa-hai", YAML.replace("xa-thu", "xa-hai"))
    monkeypatch.setattr(steps, "READERS", 1)
    real, closed = FilesConnector.close, list[int]()

    def close(connector: FilesConnector) -> None:
        real(connector)
        closed.append(len(closed) + 1)
        if closed[-1] == broken:
            raise OSError("connection reset by the peer of 10.0.0.7")

    monkeypatch.setattr(FilesConnector, "close", close)
    done = CliRunner().invoke(main, [*office.options, "sync"])
    assert done.exit_code == 0, done.output
    assert closed == [1, 2]
    named = "xa-hai" if broken == 1 else "xa-thu"
    assert f"WARNING not hung up source={named} problem=" in done.stderr
    assert "10.0.0.7" not in done.output
    counted = CliRunner().invoke(main, [*office.options, "sql", "SELECT _key FROM dossier"])
    assert "4 rows" in counted.output
