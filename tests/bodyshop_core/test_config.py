from __future__ import annotations

import contextlib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodyshop_core.config import StrictModel, load_yaml, parse_yaml
from bodyshop_core.errors import ConfigError


class Model(StrictModel):
    name: str


class Brand(StrictModel):
    name: str
    models: tuple[Model, ...] = ()
    kind: Literal["new", "used"] = "new"


class Brands(StrictModel):
    brands: tuple[Brand, ...]


def test_unknown_key_names_file_line_key_and_the_nearest_name(tmp_path):
    file = tmp_path / "brands.yaml"
    file.write_text("brands:\n  - name: Kia\n    modles: []\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_yaml(file, Brands)
    message = str(caught.value)
    assert f"{file}:3: brands.0.modles" in message
    assert "allowed: name, models, kind" in message
    assert "did you mean 'models'?" in message
    assert caught.value.exit_code == 4


def test_wrong_choice_lists_what_is_allowed():
    with pytest.raises(ConfigError, match="'old' is not allowed here") as caught:
        parse_yaml("brands: [{name: Kia, kind: old}]", Brands)
    assert "'new' or 'used'" in str(caught.value)


def test_broken_yaml_names_the_line(tmp_path):
    file = tmp_path / "brands.yaml"
    file.write_text("brands:\n  - name: [Kia\n  - x", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid YAML") as caught:
        load_yaml(file, Brands)
    assert caught.value.line == 3


def test_missing_file_and_empty_file_are_config_errors(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_yaml(tmp_path / "absent.yaml", Brands)
    with pytest.raises(ConfigError, match="but it is empty"):
        parse_yaml("# nothing\n", Brands)


def test_further_problems_are_counted():
    with pytest.raises(ConfigError, match="1 more problem in this file"):
        parse_yaml("brands: [{nam: x}]", Brands)


def test_yaml_tags_that_would_run_code_are_refused():
    with pytest.raises(ConfigError):
        parse_yaml("brands: !!python/object/apply:os.system ['true']", Brands)


@given(st.text(max_size=60))
def test_any_text_is_either_a_model_or_a_config_error(text):
    with contextlib.suppress(ConfigError):
        parse_yaml(text, Brands)
