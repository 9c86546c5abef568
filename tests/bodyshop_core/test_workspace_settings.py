"""workspace.toml: what it may say."""

from __future__ import annotations

import traceback

import pytest

from bodyshop_core.errors import ConfigError
from bodyshop_core.workspace import Workspace, is_workspace
from bodyshop_core.workspace_settings import catalog_url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("catalog = 'postgresql+psycopg://me:secret@db/cars'", "password does not belong here"),
        ("catalog = 'postgresql+psycopg://me@db/cars?password=secret'", "password does not belong"),
        ("catalog = 'postgresql://me@db/cars?sslPassword=secret'", "password does not belong"),
        ("catalog = 'postgresql://me:secret@db:abc/cars'", "is no database address"),
        ("catalog = 'mysql://me@db/cars'", r"mysql is not supported.*allowed: postgresql\+psycopg"),
        ("catalog = 'cars.db'", "is no database address"),
        ("catalogue = 'x'", "catalogue.*allowed: catalog"),
        ("catalog = 5", "catalog: .*string"),
        ("catalog = ", "can't be read"),
        ("catalog = '\\ud800'\n\x00", "can't be read"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_allowed(tmp_path, text, told):
    (tmp_path / "workspace.toml").write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        Workspace.open(tmp_path)
    assert str(tmp_path / "workspace.toml") in caught.value.message
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert not (tmp_path / "bodyshop.sqlite").exists()


def test_without_the_file_or_its_key_the_catalog_is_in_the_folder(tmp_path):
    assert catalog_url(tmp_path) is None and not is_workspace(tmp_path)
    (tmp_path / "workspace.toml").write_text("# nothing yet\n")
    assert catalog_url(tmp_path) is None and is_workspace(tmp_path)
    Workspace.open(tmp_path, create=False)
    assert (tmp_path / "bodyshop.sqlite").exists()


def test_a_second_catalog_in_the_folder_is_never_passed_over(tmp_path):
    Workspace.open(tmp_path).catalog.close()
    (tmp_path / "workspace.toml").write_text("catalog = 'postgresql://me@db/cars'")
    assert catalog_url(tmp_path).drivername == "postgresql+psycopg"
    with pytest.raises(ConfigError, match="which one is it"):
        Workspace.open(tmp_path)
