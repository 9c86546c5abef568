from __future__ import annotations

import contextlib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodyshop_core.config import StrictModel, load_yaml, parse_yaml, read_yaml
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


def bomb(*, key: str, levels: int = 8) -> str:
    """Nine values, nine times in a list, and that list nine times in another, and so on."""
    lines = ["a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels + 1)]
    return "\n".join([*lines, f"{key}: *a{levels}"])


@pytest.mark.parametrize("key", ["brands", "name", "unknown"])
def test_aliases_that_expand_to_millions_of_values_are_refused_in_one_short_message(key):
    with pytest.raises(ConfigError, match=r"expands to more than 100,000 values") as caught:
        parse_yaml(bomb(key=key), Brands)
    assert len(str(caught.value)) < 300 and caught.value.line == 6


def test_merge_keys_are_counted_as_aliases_are():
    levels = "\n".join(f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9))
    with pytest.raises(ConfigError, match="expands to more than"):
        read_yaml(f"a0: &a0 {{x: 1}}\n{levels}")


def test_aliases_that_expand_to_little_are_welcome():
    text = "brands: [{name: A, models: &m [{name: x}]}, {name: B, models: *m}]"
    assert parse_yaml(text, Brands).brands[1].models[0].name == "x"


@pytest.mark.parametrize(
    "text",
    [
        "brands: &a [*a]",
        "brands: " + "[" * 60 + "]" * 60,
        "brands: " + "[" * 20_000,
        "brands: 2026-02-30",
        "brands: " + "9" * 5000,
        "? [a, b]\n: 1",
        "brands: !!bool maybe",
        "brands: !!timestamp soon",
    ],
    ids=[
        "recursive",
        "deep",
        "deeper",
        "no-date",
        "long-number",
        "list-as-key",
        "no-bool",
        "no-time",
    ],
)
def test_values_that_python_can_not_hold_are_config_errors(text):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, Brands)
    assert len(str(caught.value)) < 400


def test_a_large_wrong_value_is_not_printed_whole():
    wrong = "x" * 5000
    for text in (f"brands: [{{name: a, kind: {wrong}}}]", f"brands: {wrong}", f"{wrong}: 1"):
        with pytest.raises(ConfigError) as caught:
            parse_yaml(text, Brands)
        assert len(str(caught.value)) < 500
