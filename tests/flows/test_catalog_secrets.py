from __future__ import annotations

import dataclasses
import sqlite3
import traceback
from pathlib import Path
from textwrap import dedent

import pytest

from flows.catalog import load_catalog, load_source
from flows.catalog_errors import CatalogError
from flows.catalog_secrets import Resolver, references
from flows.yaml_lines import read_yaml
from schemas.errors import LienThongError

PLANTED = "planted-secret-7391"

SOURCE = """\
    source: office
    connector: {{type: sql, url: "{url}"}}
    streams:
      cases:
        table: cases
        key: id
        into: [{{entity: dossier, columns: {{dossier_code: id}}}}]
    """


def written(folder: Path, url: str) -> Path:
    path = folder / "office.yaml"
    path.write_text(dedent(SOURCE).format(url=url), encoding="utf-8")
    return path


def resolver(folder: Path, text: str, env: dict[str, str] | None = None) -> Resolver:
    path = folder / "x.yaml"
    path.write_text(f'connector: {{url: "{text}"}}\n', encoding="utf-8")
    places = {r.name: r.place for r in references(read_yaml(path))}
    return Resolver(env=env or {}, folder=folder, places=places)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://office:{PLANTED}@db:5432/office",
        f"postgresql+psycopg://office:{PLANTED}@${{HOST}}/office",
    ],
)
def test_a_password_written_out_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(CatalogError) as caught:
        load_source(written(tmp_path, url))
    (problem,) = caught.value.problems
    assert (problem.what, problem.place.line) == ("connector.url: a secret in the file", 2)
    assert "${VARIABLE}" in problem.expected
    assert PLANTED not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://office:${PW}@db/office", "${URL}", "sqlite:////tmp/x.db", "postgresql://u:@/d"],
)
def test_a_url_without_a_written_password_is_accepted(tmp_path: Path, url: str) -> None:
    assert load_source(written(tmp_path, url)).name == "office"


def test_no_part_of_a_catalog_shows_a_secret(tmp_path: Path) -> None:
    written(tmp_path, "${OFFICE_URL}")
    env = {"OFFICE_URL": f"postgresql://office:{PLANTED}@db/office"}
    catalog = load_catalog(tmp_path, env=env)
    source = catalog.source("office")
    shown = [repr(catalog), str(catalog), repr(source), str(dataclasses.astuple(source))]
    shown += [repr(source.stream("cases")), repr(source.connector_options)]
    assert all(PLANTED not in text for text in shown)
    connector = source.connect()
    assert PLANTED not in repr(connector)
    connector.close()


@pytest.mark.parametrize(
    "value", [f"{PLANTED}", f"postgresql://{PLANTED}:x:y@:bad/", f"nosuchdb://u:{PLANTED}@h/d"]
)
def test_a_value_that_cannot_be_used_is_not_repeated(tmp_path: Path, value: str) -> None:
    source = load_source(written(tmp_path, "${OFFICE_URL}"), env={"OFFICE_URL": value})
    with pytest.raises(LienThongError) as caught:
        connector = source.connect()
        connector.check(source.stream("cases").spec)
    told = "".join(traceback.format_exception(caught.value))
    assert PLANTED not in told
    assert PLANTED in value


def test_a_source_connects_with_its_secret_filled_in(tmp_path: Path) -> None:
    database = tmp_path / "office.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table cases (id text primary key)")
        connection.execute("insert into cases values ('H1')")
    source = load_source(
        written(tmp_path, "${OFFICE_URL}"), env={"OFFICE_URL": f"sqlite:///{database}"}
    )
    connector = source.connect()
    found = connector.check(source.stream("cases").spec)
    connector.close()
    assert list(found.columns) == ["id"]
    assert found.sample.num_rows == 1


def test_relative_paths_of_files_start_at_the_yaml(tmp_path: Path) -> None:
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "a.csv").write_text("So\nH1\n", encoding="utf-8")
    path = tmp_path / "desk.yaml"
    path.write_text(
        dedent("""\
        source: desk
        connector: {type: files, path: "${DESK}"}
        streams:
          so:
            files: "*.csv"
            mode: snapshot
            key: So
            into: [{entity: dossier, columns: {dossier_code: So}}]
        """),
        encoding="utf-8",
    )
    source = load_source(path, env={"DESK": "./desk"})
    connector = source.connect()
    assert connector.check(source.stream("so").spec).sample.num_rows == 1
    connector.close()


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{PLANTED}\n", encoding="utf-8")
    assert resolver(tmp_path, "${file:token}").resolved("${file:token}") == PLANTED


def test_a_secret_file_that_is_not_there_is_told_by_line(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"x\.yaml:1: secret file .*none.*No such file"):
        resolver(tmp_path, "${file:none}").resolved("${file:none}")


def test_a_secret_inside_a_url_is_quoted_and_a_whole_one_is_not(tmp_path: Path) -> None:
    env = {"PW": "p@ss/w:rd", "URL": "postgresql://a:b%40@h/d"}
    text = "postgresql://u:${PW}@h/d"
    one = resolver(tmp_path, text, env).resolved(text)
    assert one == "postgresql://u:p%40ss%2Fw%3Ard@h/d"
    assert resolver(tmp_path, "${URL}", env).resolved("${URL}") == env["URL"]
    assert resolver(tmp_path, "${PW}", env).resolved(["${PW}", {"a": "${PW}"}, 7]) == [
        env["PW"],
        {"a": env["PW"]},
        7,
    ]


@pytest.mark.parametrize(
    ("text", "nearest"), [("${prefct:block}", "prefect"), ("${not a name}", None), ("${}", None)]
)
def test_a_reference_that_is_none_is_refused(
    tmp_path: Path, text: str, nearest: str | None
) -> None:
    with pytest.raises(CatalogError) as caught:
        load_source(written(tmp_path, text))
    (problem,) = caught.value.problems
    assert problem.what == "a reference to a secret"
    assert problem.nearest == nearest


def test_a_resolver_shows_names_only() -> None:
    path = Path("x.yaml")
    shown = repr(Resolver(env={"A": PLANTED}, folder=path, places={}))
    assert PLANTED not in shown


@pytest.mark.parametrize(
    "option", ["connect_timeout: [planted-secret-7391]", "url: [planted-secret-7391]"]
)
def test_what_stands_under_connector_is_never_repeated(tmp_path: Path, option: str) -> None:
    path = tmp_path / "office.yaml"
    text = dedent(SOURCE).format(url="${URL}").replace("type: sql", f"type: sql, {option}")
    if option.startswith("url"):
        text = text.replace(', url: "${URL}"', "")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError) as caught:
        load_source(path)
    assert PLANTED not in str(caught.value)
    assert PLANTED in text


def test_a_missing_prefect_block_is_told_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server that isn't there: no block can be read, whatever its name.
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    source = load_source(written(tmp_path, "${prefect:office-url}"))
    with pytest.raises(CatalogError) as caught:
        source.connect()
    (problem,) = caught.value.problems
    assert problem.what == "Prefect block office-url"
    assert problem.place.line == 2
    assert caught.value.__suppress_context__
