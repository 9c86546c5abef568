"""Policies are checked to the last argument before any work."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.adapter import Pipeline
from augment.policy import AugmentPolicy, load_policy, parse_policy, preset_names
from bodyshop_core.errors import ConfigError

HEAD = "name: mine\ntransforms:\n"


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_under_its_own_name(name: str) -> None:
    policy = load_policy(name)
    assert policy.name == name
    assert policy.about
    assert policy.steps


def test_the_presets_are_those_the_documentation_names() -> None:
    assert preset_names() == ("car-damage", "grayscale", "imagedatagenerator", "light", "weather")


def test_car_damage_holds_nothing_that_erases_or_blurs() -> None:
    policy = load_policy("car-damage")
    erasing = ("Dropout", "Erasing", "Blur", "Elastic", "Median", "Defocus", "Downscale", "Masking")
    assert not [step.name for step in policy.steps if any(word in step.name for word in erasing)]


@pytest.mark.parametrize(
    ("text", "line", "says", "hint"),
    [
        ("  - HorizontalFlop: {p: 0.5}\n", 3, "transform 'HorizontalFlop'", "'HorizontalFlip'"),
        ("  - HorizontalFlip\n  - Affine:\n      rotat: 3\n", 5, "no argument 'rotat'", "'rotate'"),
        ("  - GaussNoise:\n      var_limit: 3\n", 4, "no argument 'var_limit'", None),
        ("  - HorizontalFlip: {p: 3}\n", 3, "less than or equal to 1", None),
        ("  - Affine: {rotate: much}\n", 3, "valid number", None),
        ("  - Affine: {mask_interpolation: linear}\n", 3, "mask values are 0 or 255", None),
        ("  - Affine: {border_mode: mirror}\n", 3, "'mirror' is not allowed", None),
        ("  - Affine: {border_mode: [1, 2]}\n", 3, "[1, 2] is not allowed", None),
        ("  - Affine: {interpolation: {a: 1}}\n", 3, "{'a': 1} is not allowed", None),
        ("  - SomeOf: {n: 2, transforms: [Blur]}\n", 3, "2 of 1 can't be drawn", None),
        ("  - OneOf: {transforms: [Blur: {p: 0}]}\n", 3, "none is ever chosen", None),
        ("  - RandomResizedCrop\n", 3, "needs the argument 'size'", None),
        ("  - Normalize\n", 3, "value range", None),
        ("  - Mosaic: {p: 1}\n", 3, "mix labels", None),
        ("  - OneOf: {p: 0.5}\n", 3, "needs a list of transforms", None),
        ("  - OneOf: {p: 2, transforms: [Blur]}\n", 3, "probability from 0 to 1", None),
        (
            "  - OneOf:\n      transforms:\n        - HorizontalFlip\n        - Bluur: {p: 1}\n",
            6,
            "unknown transform 'Bluur'",
            "'Blur'",
        ),
        ("  - Blur: {p: 1}\n    Affine: {p: 1}\n", 3, "one transform with its arguments", None),
        ("  - Blur: 3\n", 3, "keys with values", None),
    ],
)
def test_a_mistake_is_named_with_its_line(
    text: str, line: int, says: str, hint: str | None
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_policy(HEAD + text, name="policy.yaml")
    assert str(caught.value).startswith(f"policy.yaml:{line}: ")
    assert says in str(caught.value)
    if hint is not None:
        assert hint in str(caught.value.hint)
    assert caught.value.exit_code == 4


def test_unknown_key_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'picture'"):
        parse_policy("name: mine\npictures: {quality: 3}\ntransforms: [HorizontalFlip]\n")


def test_an_unknown_policy_names_the_presets() -> None:
    with pytest.raises(ConfigError, match=r"allowed: car-damage, grayscale"):
        load_policy("car-damege")


def test_the_digest_follows_what_decides_about_pixels_and_nothing_else() -> None:
    base = "name: {name}\nabout: {about}\npicture: {{quality: {q}}}\ntransforms: [HorizontalFlip]\n"
    first = parse_policy(base.format(name="a", about="x", q=90))
    renamed = parse_policy(base.format(name="b", about="y", q=90))
    other = parse_policy(base.format(name="a", about="x", q=91))
    assert first.digest == renamed.digest
    assert first.digest != other.digest


def test_the_light_preset_has_the_digest_it_always_had() -> None:
    # Seeds derive from the digest: a change of how it is computed would change every variant.
    text = "name: x\ntransforms:\n  - HorizontalFlip: {p: 0.5}\n"
    assert parse_policy(text).digest[:16] == "f1a59e1376662cc3"


def test_a_policy_survives_being_written_and_read() -> None:
    for name in preset_names():
        policy = load_policy(name)
        again = parse_policy(yaml.safe_dump(policy.as_dict()))
        assert again == policy
        assert again.digest == policy.digest


keys = ["p", "rotate", "scale", "blur_limit", "transforms", "nonsense", "border_mode"]
scalars = st.none() | st.booleans() | st.integers(-3, 300) | st.floats(-2, 2) | st.text(max_size=6)
arguments = st.dictionaries(
    st.sampled_from(
        ["p", "rotate", "scale", "blur_limit", "transforms", "nonsense", "border_mode"]
    ),
    scalars | st.lists(scalars, max_size=3),
    max_size=3,
)
names = st.sampled_from(["Affine", "Blur", "HorizontalFlip", "OneOf", "Nonsense", "GaussNoise"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(names, arguments | scalars, max_size=2) | scalars, max_size=3))
def test_whatever_is_written_gives_a_policy_or_a_config_error(steps: list) -> None:
    text = yaml.safe_dump({"name": "fuzz", "transforms": steps})
    try:
        policy = parse_policy(text)
    except ConfigError as error:
        assert error.exit_code == 4
    else:
        assert isinstance(policy, AugmentPolicy)
        assert len(policy.steps) == len(steps)
        Pipeline(policy.steps)  # what passed the check can be built, with no warning
