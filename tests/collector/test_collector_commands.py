"""`bodyshop collect` and `status` on the command line, for people and scripts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from picture_server import drips, picture, sends

import collector
from bodyshop.cli import main
from bodyshop_core.workspace import Workspace


@pytest.fixture
def run(tmp_path, capsys):
    """Run a command in a workspace of its own; return exit code, stdout, stderr."""

    def command(*words):
        try:
            main([*words, "-w", str(tmp_path / "w")])
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        out = capsys.readouterr()
        return code, out.out, out.err

    return command


@pytest.fixture
def write(tmp_path):
    """Write brands to a file and return its path."""

    def to_file(config, **changes):
        data = config.model_dump(mode="json") | changes
        file = tmp_path / "brands.yaml"
        file.write_text(yaml.safe_dump(data, allow_unicode=True))
        return str(file)

    return to_file


def test_a_dry_run_prints_pages_queries_hosts_and_time_and_asks_nothing(
    server, brands_for, run, write
):
    brands = brands_for(
        pages=[server.url("/a"), server.url("/b")],
        queries=["현대 쏘나타"],
        sources={"openverse": {"enabled": True}},
        limits={"per_host_interval": 2, "per_model": 100},
    )
    code, out, _ = run("collect", write(brands), "--dry-run")
    assert code == 0
    assert server.asked == []
    for part in (
        "/a",
        "현대 쏘나타",
        f"{server.host}: 2, one every 2 s: 8 s",
        "api.openverse.org: 1",
    ):
        assert part in out
    assert "at most 3 min" in out  # 100 pictures, 2 s apart
    code, out, _ = run("collect", write(brands), "--dry-run", "--json")
    plan = json.loads(out)
    assert plan["hosts"] == {server.host: 2, "api.openverse.org": 1}
    assert plan["seconds"] == {server.host: 8.0, "api.openverse.org": 6.0}


def test_status_counts_found_duplicate_refused_and_failed_per_model(
    server, brands_for, run, write, tmp_path
):
    data = picture(1)
    urls = [server.add(f"/p/{n}.jpg", data) for n in range(3)]
    urls += [server.add("/small.jpg", picture(2, (50, 50))), server.url("/gone.jpg")]
    models = [{"name": "Fjell", "lists": [{"urls": urls}]},
              {"name": "Skog", "lists": [{"urls": [server.url("/gone2.jpg")]}]}]  # fmt: skip
    file = write(brands_for(urls), brands=[{"name": "Norden", "models": models}])
    code, _, _ = run("collect", file)
    assert code == 0
    code, out, _ = run("status", "--json")
    report = json.loads(out)
    rows = {row["model"]: row for row in report["models"]}
    counts = ("found", "downloaded", "duplicate", "refused", "failed")
    assert [rows["Fjell"][name] for name in counts] == [5, 1, 2, 1, 1]
    assert [rows["Skog"][name] for name in counts] == [1, 0, 0, 0, 1]
    assert report["refusals"] == {"below_min_side": 1}
    assert report["failures"] == {"http_404": 2}
    assert any("Skog" in each and "half of the mean" in each for each in report["warnings"])
    code, out, _ = run("status")
    assert "below_min_side" in out and "http_404" in out
    for what, count in (("sightings", 3), ("refusals", 3)):
        assert run("export", what, str(tmp_path / f"{what}.jsonl"))[0] == 0
        lines = (tmp_path / f"{what}.jsonl").read_text().splitlines()
        assert len([json.loads(line) for line in lines]) == count


def test_retry_failed_takes_a_class_and_is_bare_for_all(server, brands_for, run, write):
    server.add("/p/a.jpg", b"", status=502)
    file = write(brands_for([server.url("/p/a.jpg"), server.url("/p/b.jpg")]))
    run("collect", file)
    server.add("/p/a.jpg", picture(1))
    server.add("/p/b.jpg", picture(2))
    code, out, _ = run("collect", file, "--retry-failed=http_502", "--json")
    assert (code, json.loads(out)["new"]) == (0, 1)
    code, _, err = run("collect", file, "--retry-failed=timeout")
    assert code == 2 and "http_404 (1)" in err
    code, out, _ = run("collect", file, "--retry-failed", "--json")
    assert (code, json.loads(out)["new"]) == (0, 1)


def test_a_mix_says_where_it_falls_short_also_of_models_with_no_picture(
    server, brands_for, run, write
):
    models = [{"name": "Fjell", "lists": [{"urls": server.add_pictures(4)}]},
              {"name": "Skog", "lists": [{"urls": [server.url("/gone.jpg")]}]}]  # fmt: skip
    file = write(brands_for(["http://x.example/"]), brands=[{"name": "Norden", "models": models}])
    code, out, _ = run("collect", file, "--per-class", "5", "--mix", "urls=3,search=2", "--json")
    assert code == 0
    mix = json.loads(out)["mix"]
    assert mix["chosen"] == 3
    short = {(each["model"], each["source"]): each["chosen"] for each in mix["short"]}
    assert short == {("Fjell", "search"): 0, ("Skog", "urls"): 0, ("Skog", "search"): 0}
    code, _, err = run("collect", file, "--per-class", "5")
    assert code == 2 and "--mix" in err
    code, _, err = run("collect", file, "--per-class", "6", "--mix", "urls=3,search=2")
    assert code == 2 and "sum of the mix is 5" in err


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_one_page_of_two_that_brings_nothing_or_much_less_ends_with_exit_3(
    server, brands_for, run, write, tmp_path
):
    server.add_pictures(12)
    show = "".join(f"<img src=/p/{n}.jpg>" for n in range(10))
    pages = [server.add("/a", show.encode(), "text/html"),
             server.add("/b", b"<img src=/p/10.jpg><img src=/p/11.jpg>", "text/html")]  # fmt: skip
    file = write(brands_for(pages=pages))
    assert run("collect", file, "--quiet")[0] == 0
    server.add("/a", b"<img src=/p/0.jpg>", "text/html")
    code, _, err = run("collect", file, "--refresh", "--quiet")
    assert code == 3
    assert "1 found, 10 last time" in err
    evidence = tmp_path / "w" / "reports" / "collect"
    assert {path.suffix for path in evidence.iterdir()} == {".html", ".png"}
    server.add("/a", show.encode(), "text/html")
    server.add("/b", b"<p>moved", "text/html")
    code, _, err = run("collect", file, "--refresh", "--quiet")
    assert code == 3 and "/b" in err


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_the_second_ctrl_c_stops_at_once_and_the_next_run_completes(
    server, brands_for, write, tmp_path
):
    urls = server.add_pictures(6)
    for n in (3, 4, 5):
        server.answers[f"/p/{n}.jpg"] = drips(picture(n), 0.5)  # would take minutes
    page = server.add("/page", b"<img src=/hang.jpg>", "text/html")
    server.answers["/hang.jpg"] = lambda handler: time.sleep(20)
    limits = {"request_seconds": 120, "behaviour_seconds": 60, "per_host_connections": 8}
    file = write(brands_for(urls, pages=[page], limits=limits))
    program = str(Path(sys.executable).with_name("bodyshop"))
    command = [program, "collect", file, "-w", str(tmp_path / "w")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        under_way = {"/p/3.jpg", "/p/4.jpg", "/p/5.jpg", "/hang.jpg"}
        while time.monotonic() < until and not under_way <= set(server.paths("/")):
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        # Three downloads are in progress: it says so, and waits for them.
        assert any("downloads in progress are finished" in line for line in process.stderr)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert process.wait(20) == 130
        assert time.monotonic() - begun < 5
        assert "stopped at once" in process.stderr.read()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []
    for n in (3, 4, 5):
        server.answers[f"/p/{n}.jpg"] = sends(picture(n))
    server.add("/hang.jpg", picture(9))
    asked = len(server.paths())
    workspace = Workspace.open(tmp_path / "w")
    assert collector.collect(collector.load_brands(file), workspace).downloaded == 7
    assert sorted(server.paths()[asked:]) == ["/p/3.jpg", "/p/4.jpg", "/p/5.jpg"]
    assert list((tmp_path / "w" / "incoming").iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_doctor_tries_every_source_and_says_how_to_fix_the_changed_one(
    server, brands_for, run, write, tmp_path
):
    server.add_pictures(2)
    page = server.add("/a", b"<img src=/p/0.jpg><img src=/p/1.jpg>", "text/html")
    server.add("/find", b"<ul class=new><li><img src=/p/0.jpg></ul>", "text/html")
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"{{name: mine, version: '1', url: '{server.url('/find')}?q={{query}}', result: .old,"
        " page_wait: .new, click: img, full_image: .full, canary: {query: car, min_images: 3}}"
    )
    sources = {"search": {"engines": ["mine"]}}
    brands = brands_for(pages=[page], queries=["car"], sources=sources)
    code, out, _ = run("doctor", "--sources", write(brands, recipes=[str(recipe)]), "--json")
    checks = {check["part"]: check for check in json.loads(out)["checks"]}
    assert checks["source pages"]["ok"]
    assert checks["source pages"]["found"] == "2 pictures"
    assert not checks["source search:mine"]["ok"]
    assert "recipe" in checks["source search:mine"]["fix"]
    assert code == 5


def test_a_list_of_addresses_needs_no_brands_yaml_and_passes_the_same_guard(server, run, tmp_path):
    server.add("/a.jpg", picture(1))
    file = tmp_path / "urls.txt"
    file.write_text(f"{server.url('/a.jpg')}\n")
    code, _, err = run("collect", str(file), "--brand", "Norden")
    assert code == 2 and "--contact and --model" in err
    words = (
        "collect",
        str(file),
        "--contact",
        "a@example.org",
        "--brand",
        "Norden",
        "--model",
        "X",
    )
    code, out, _ = run(*words, "--dry-run", "--json")
    (task,) = json.loads(out)["tasks"]
    assert code == 0 and (task["brand"], task["model"]) == ("Norden", "X")
    run(*words)
    code, out, _ = run("status", "--json")
    assert json.loads(out)["refusals"] or json.loads(out)["failures"]
    assert server.asked == []  # this machine's own addresses are nobody's business


def test_what_belongs_to_a_list_is_refused_beside_a_brands_yaml(run, tmp_path):
    code, _, err = run("collect", str(tmp_path / "brands.yaml"), "--contact", "a@example.org")
    assert code == 2 and "--contact" in err
