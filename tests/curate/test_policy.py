"""curate.yaml: defaults, and errors that say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from bodyshop_core.catalog import Reason
from bodyshop_core.errors import ConfigError
from curate.policy import Policy, load_policy


def test_an_empty_policy_has_a_default_for_everything() -> None:
    policy = load_policy(None)
    assert policy == Policy()
    assert policy.splits.shares == {"train": 0.7, "validation": 0.15, "test": 0.15}


def test_a_file_changes_what_it_names_and_the_digest(tmp_path: Path) -> None:
    file = tmp_path / "curate.yaml"
    file.write_text("quality: {min_sharpness: 0.3}\nsplits: {ratios: {train: 0.9, test: 0.1}}\n")
    policy = load_policy(file)
    assert policy.quality.min_sharpness == 0.3
    assert policy.splits.shares == {"train": 0.9, "test": 0.1}
    assert policy.digest != Policy().digest


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("gate:\n  rule: top50\n", 2, "top5"),
        ("quality:\n  min_sharpnes: 1\n", 2, "min_sharpness"),
        ("splits:\n  ratios: {train: 0.5, test: 0.2}\n", 1, "sum to 1"),
        ("splits:\n  ratios: {train: 0.0, test: 1.0}\n", 1, "train must be above 0"),
        ("splits:\n  folds: 1\n", 1, "at least 2"),
        ("duplicates:\n  radius: 9\n", 2, "less than or equal to 8"),
        ("size: [\n", None, "not valid YAML"),
    ],
)
def test_a_wrong_policy_names_line_and_what_is_allowed(
    tmp_path: Path, text: str, line: int | None, said: str
) -> None:
    file = tmp_path / "curate.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        load_policy(file)
    if line is not None:
        assert f"curate.yaml:{line}" in str(raised.value)


def test_folds_replace_the_ratios() -> None:
    policy = Policy.model_validate({"splits": {"folds": 4}})
    assert policy.splits.shares == {f"fold{i}": 0.25 for i in range(1, 5)}


def test_the_page_explains_every_reason_and_every_threshold() -> None:
    page = (Path(__file__).parents[2] / "docs" / "curate.md").read_text(encoding="utf-8")
    for reason in Reason:
        assert f"| `{reason.value}` |" in page
    for name in ("gate", "size", "quality", "duplicates", "splits", "audit"):
        part = getattr(Policy(), name)
        for key in type(part).model_fields:
            assert f"{name}.{key}" in page or f"`{key}`" in page, f"{name}.{key} is not explained"
