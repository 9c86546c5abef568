"""The gate in 8 bits, on request: features and scores of its own, the same probes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filling import add_picture, photo

from bodyshop_core.backbones import fingerprint
from bodyshop_core.errors import MissingPartError, UsageError
from bodyshop_core.workspace import Workspace
from curate.gate.gate import Gate
from curate.gate.named_probes import named_probe_path, open_named_probes
from curate.gate.probe import Probe, fitted_probe_path
from curate.gate.stage import load_gate, open_gate, remember_gate, score
from curate.policy import Policy, parse_policy

WHOLE = "efficientnet-lite0"


@pytest.fixture
def in_8_bits() -> Policy:
    return parse_policy("gate: {precision: int8}\n")


def fitted(name: str, card: str) -> Probe:
    return Probe(np.ones(1280, np.float32), 0.0, 0.5, name, card={"of": card})


def test_features_in_8_bits_never_mix_with_those_in_float32(
    workspace: Workspace, in_8_bits: Policy
) -> None:
    for number in range(3):
        add_picture(workspace, photo(number))
    assert score(workspace).scored == 3
    rounded = score(workspace, policy=in_8_bits)
    assert rounded.scored == 3, "what the other network saw is not taken over"
    assert "-int8-" in rounded.gate
    assert score(workspace).scored == score(workspace, policy=in_8_bits).scored == 0
    folders = sorted(folder.name for folder in workspace.features.iterdir())
    assert folders == sorted([fingerprint(WHOLE), fingerprint(WHOLE, "int8")])


def test_a_gate_in_8_bits_is_remembered_and_rebuilt(
    workspace: Workspace, in_8_bits: Policy
) -> None:
    gate = open_gate(workspace, policy=in_8_bits)
    remember_gate(workspace, gate)
    assert load_gate(workspace).as_dict() == gate.as_dict()
    assert Gate.from_dict(gate.as_dict()).id == gate.id
    assert gate.rule.name == "probe"
    assert gate.rule.threshold == open_gate(workspace).rule.threshold
    assert gate.scorer.file != open_gate(workspace).scorer.file


def test_probes_of_the_workspace_read_features_in_8_bits(workspace: Workspace) -> None:
    policy = parse_policy("gate: {precision: int8}\nprobes: {mark: {}}\n")
    whole, rounded = fingerprint(WHOLE), fingerprint(WHOLE, "int8")
    fitted(whole, "cars").save(fitted_probe_path(workspace.root, whole))
    fitted(whole, "marks").save(named_probe_path(workspace.root, whole, "mark"))
    gate = open_gate(workspace, policy=policy)
    assert gate.rule.probe is not None and gate.rule.probe.card == {"of": "cars"}
    assert open_named_probes(workspace, gate, policy)["mark"].fingerprint == rounded


def test_a_probe_of_features_in_8_bits_is_not_for_those_in_float32(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "rounded.npz"
    fitted(fingerprint(WHOLE, "int8"), "cars").save(file)
    with pytest.raises(MissingPartError, match="was fitted on"):
        open_gate(workspace, policy=parse_policy(f"gate: {{rule: probe, probe: {file}}}\n"))


def test_8_bits_of_a_weights_file_or_another_backbone_are_refused(
    workspace: Workspace, tmp_path: Path, in_8_bits: Policy
) -> None:
    with pytest.raises(UsageError, match="own weights"):
        open_gate(workspace, weights=tmp_path / "w.h5", policy=in_8_bits)
    with pytest.raises(UsageError, match="no vgg16 in 8 bits"):
        open_gate(workspace, "vgg16", policy=in_8_bits)
