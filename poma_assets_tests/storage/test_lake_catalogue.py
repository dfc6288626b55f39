from __future__ import annotations

from pathlib import Path

import pytest

from poma_assets.science.errors import ConfigError
from poma_assets.storage.lake_catalogue import Catalogue, parse_catalogue
from poma_assets.study_config import parse_config


def test_the_default_is_the_embedded_file():
    assert parse_catalogue("duckdb") is None
    assert parse_config("name: a").warehouse == "duckdb"


def test_a_catalogue_in_postgresql_may_have_a_schema_of_its_own():
    catalogue = parse_catalogue("ducklake:postgres:host=db.lab port=5433 dbname=poma schema=my_study")
    assert catalogue == Catalogue("postgres", "host=db.lab port=5433 dbname=poma", "my_study")
    assert catalogue.text == "ducklake:postgres:host=db.lab port=5433 dbname=poma schema=my_study"


def test_a_relative_path_begins_at_the_study():
    assert parse_catalogue("ducklake:sqlite:c.sqlite", Path("/study")) == Catalogue("sqlite", "/study/c.sqlite")
    assert parse_catalogue("ducklake:sqlite:/elsewhere/c", Path("/study")) == Catalogue("sqlite", "/elsewhere/c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sqlite", "duckdb .one file in the study folder"),
        ("ducklake:catalogue.ducklake", "several processes may write"),
        ("ducklake:sqlite:", "several processes may write"),
        ("ducklake:postgres:host=db dbnam=poma", "is 'dbname' meant"),
        ("ducklake:postgres:host", "one plain value for 'host'"),
        ("ducklake:postgres:host=a host=b", "one plain value for 'host'"),
        ("ducklake:postgres:host='a b'", "without quotes"),
        ("ducklake:postgres:host=a; DROP", "before '='|plain value"),
        ("ducklake:postgres:dbname=poma schema=My-Study", "small letters"),
        ("ducklake:postgres:postgresql://user:hidden@db/poma", "instead of an address"),
        ("ducklake:postgres:host=db password=hidden", "no password"),
        ("ducklake:postgres:host=db PASSWORD=hidden", "no password"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_no_secret_is_repeated(text, message):
    with pytest.raises(ValueError, match=message) as problem:
        parse_catalogue(text)
    assert "hidden" not in str(problem.value)
    with pytest.raises(ConfigError, match=r"poma\.yaml, line 2, column 12.*'warehouse' is not valid") as refused:
        parse_config(f'name: a\nwarehouse: "{text}"\n')
    assert "hidden" not in str(refused.value)
