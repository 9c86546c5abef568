"""Backbones side by side."""

from __future__ import annotations

import os
import signal
import time

import pytest
import sweep_workers

import train
from bodyshop_core import backbones
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.workspace import Workspace
from train.models.flops import count_flops
from train.runs import compare as comparing
from train.runs.worker_process import WorkerDiedError, WorkerProcess, describe_exit, run_alone


@pytest.mark.parametrize(
    ("name", "gflops"),
    # keras.applications and the papers, in multiply-adds x 2: MobileNet 569 M, ResNet50 3.9 G.
    [("mobilenet", 1.14), ("resnet50", 7.7), ("efficientnet-lite0", 0.77)],
)
def test_operations_match_the_published_ones(name: str, gflops: float) -> None:
    model = backbones.build(name, weights="none")
    assert count_flops(model) / 1e9 == pytest.approx(gflops, rel=0.05)


@pytest.mark.slow
def test_backbones_are_compared_on_both_runtimes(small: Workspace) -> None:
    began = time.monotonic()
    found = train.compare(
        small, ["efficientnet-lite0", "mobilenet"], weights={"mobilenet": "none"}, pictures=32
    )
    elapsed = time.monotonic() - began
    lite, mobile = found.rows
    assert mobile["parameters"] == 3_228_864  # keras.applications, without its top
    assert lite["litert_mib"] * 2**20 == pytest.approx(4 * lite["parameters"], rel=0.05)
    assert lite["linear_probe_accuracy"] is not None
    assert mobile["linear_probe_accuracy"] is None
    for row in found.rows:
        for seconds in (row["seconds_per_picture"], row["litert_seconds_per_picture"]):
            assert 1e-4 < seconds < elapsed / (comparing.ROUNDS * 32)
        assert row["peak_mib"] > 100
        assert 50 < row["litert_peak_mib"] < row["peak_mib"]
        assert row["litert_difference"] < 1e-2
    assert "efficientnet-lite0" in found.report.read_text(encoding="utf-8")


def test_comparing_without_the_weights_says_so_and_goes_on(small: Workspace, monkeypatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(small.root / "empty"))
    found = train.compare(
        small,
        ["efficientnet-lite0"],
        weights={"efficientnet-lite0": "/nowhere.h5"},
        runtimes=["keras"],
    )
    assert "/nowhere.h5" in found.rows[0]["error"]
    with pytest.raises(UsageError, match="keras, litert"):
        train.compare(small, ["vgg16"], runtimes=["onnx"])


def test_a_backbone_whose_process_dies_costs_only_its_row(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "measure_backbone", sweep_workers.die_on_mobilenet)
    monkeypatch.setattr(comparing, "measure_litert", sweep_workers.die)
    found = train.compare(small, ["mobilenet", "vgg16"])
    mobile, vgg = found.rows
    assert "SIGKILL" in mobile["error"]
    assert mobile["parameters"] is None
    assert vgg["parameters"] == 3_000_000
    assert vgg["error"] == "LiteRT: the process died: exit status 7"
    page = found.report.read_text(encoding="utf-8")
    assert "SIGKILL" in page
    assert "exit status 7" in page


def test_a_comparison_without_pictures_fails_before_anything_is_measured(
    workspace: Workspace,
) -> None:
    with pytest.raises(NothingFoundError, match="bodyshop curate"):
        train.compare(workspace, ["vgg16"])


def test_a_dead_process_says_how_it_ended() -> None:
    with pytest.raises(WorkerDiedError) as raised:
        run_alone(sweep_workers.die, {})
    assert raised.value.exit_status == 7
    assert describe_exit(-11) == "ended by signal 11 (SIGSEGV)"
    assert "memory" in describe_exit(-9)


def test_a_process_that_died_while_idle_is_replaced_and_one_that_works_is_reused() -> None:
    with WorkerProcess() as worker:
        found = []
        for number in range(3):
            worker.submit(sweep_workers.own_process, {})
            found.append(worker.result())
            if number == 1:
                os.kill(found[-1], signal.SIGKILL)
                deadline = time.monotonic() + 30
                while sweep_workers.is_running(found[-1]) and time.monotonic() < deadline:
                    time.sleep(0.01)
    assert found[0] == found[1] != found[2]
    assert not sweep_workers.is_running(found[2])
