"""The report: complete, escaped, the same bytes each time; in a browser: sorting, curves, keyboard, phone, dark."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from helpers import record
from report_ledger import BREAKERS, SCRIPT, nasty_ledger, put

from mlbench.errors import LedgerError, UnknownName, UsageError
from mlbench.reporting.report import write_report
from mlbench.reporting.report.collect import Trial, best_so_far, collect
from mlbench.reporting.report.markup import interval_bar, script_data, text
from mlbench.results.ledger import Ledger
from mlbench.results.schema import Budget, Record, Timings

VOID = {"meta", "input", "link", "br", "hr", "img"}


class Page(HTMLParser):
    """A page as a list of (tag, attributes, text directly inside), with a check that tags nest."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.nodes: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside: list[str] = []
        self.nodes.append((tag, dict(attrs), inside))
        if tag not in VOID:
            self._open.append((tag, inside))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.nodes.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, inside in self._open:
            inside.append(data)

    def find(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(inside)) for name, attributes, inside in self.nodes if name == tag]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return nasty_ledger(tmp_path_factory.mktemp("nasty") / "runs")


@pytest.fixture(scope="module")
def index(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(ledger, tmp_path_factory.mktemp("site"), ())


@pytest.fixture(scope="module")
def source(index: Path) -> str:
    return index.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def _data(page: Page) -> dict[str, Any]:
    ((_, inside),) = [(a, t) for a, t in page.find("script") if a.get("type") == "application/json"]
    found: dict[str, Any] = json.loads(inside)
    return found


# ------------------------------------------------------------------------------------------ structure
def test_it_is_one_page_that_needs_nothing_else(index: Path, page: Page) -> None:
    """One file; no address in it but its own anchors; a policy that lets nothing else load."""
    assert [path.name for path in index.parent.iterdir()] == ["index.html"]
    for _, attributes, _ in page.nodes:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    policy = next(a["content"] for a, _ in page.find("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_headings_go_down_step_by_step(page: Page) -> None:
    """One h1, and no level is left out."""
    levels = [int(tag[1]) for tag, _, _ in page.nodes if tag in ("h1", "h2", "h3", "h4")]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [t for _, t in page.find("h3")] == [
        "Leaderboard", "Precision and recall", "Labels", "Cost and quality", "Tuning", "Best parameters",
        "Environment", "Reproduce",
    ]  # fmt: skip


def test_landmarks_captions_and_scopes(page: Page) -> None:
    """Each table has a caption, each of its headers a scope; the landmarks are there; ids are unique."""
    assert [len(page.find(tag)) for tag in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    assert len(page.find("caption")) == len(page.find("table")) > 5
    assert all(attributes.get("scope") in ("row", "col") for attributes, _ in page.find("th"))
    assert page.find("html")[0][0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes, _ in page.nodes if "id" in attributes]
    assert len(ids) == len(set(ids))
    pointed = [a[key] for _, a, _ in page.nodes for key in ("aria-labelledby", "aria-controls") if key in a]
    assert set(pointed) <= set(ids)
    for attributes, _ in page.find("svg"):
        assert attributes.get("aria-hidden") == "true" or (attributes["role"] == "img" and attributes["aria-label"])


def test_every_name_is_shown_as_text(source: str, page: Page) -> None:
    """A model and labels that are markup stand in the page as text, and make no element and no script."""
    assert page.find("img") == []
    assert all("bold" not in inside for _, inside in page.find("b"))
    assert len(page.find("script")) == 2
    assert source.count("</script>") == 2
    rows = [inside for attributes, inside in page.find("th") if attributes["scope"] == "row"]
    assert SCRIPT in rows
    assert BREAKERS[0] in rows
    assert BREAKERS[1] in rows
    assert "a b & 'c'" in rows
    assert _data(page)["boards"][0]["series"][0]["name"] == f"{SCRIPT} · raw"
    assert any("<i>asked</i> for 9 GB" in inside for _, inside in page.find("small"))


@pytest.mark.parametrize("value", ["</script>", "<!--", "a&b", "\u2028\u2029", '"\\', "ü"])
def test_data_in_a_script_stays_data(value: str) -> None:
    """Whatever a text holds, the JSON says just that, and has no character that ends the element."""
    dumped = script_data({"name": value})

    assert json.loads(dumped) == {"name": value}
    assert not set("<>&\u2028\u2029") & set(dumped)


def test_text_is_one_line_without_control_or_direction() -> None:
    """What could turn a line around or hide in it is left out."""
    assert text("a\n\u202eb\x00<\"'&") == "a b&lt;&quot;&#x27;&amp;"


def test_a_failed_row_says_why(page: Page) -> None:
    """It stands last, with its status and its error, without a rank."""
    rows = [inside for attributes, inside in page.find("tr") if attributes.get("class") == "bad"]

    assert len(rows) == 1
    assert "broken" in rows[0]
    assert "out_of_memory" in rows[0]


def test_made_up_data_are_called_so(tmp_path: Path) -> None:
    """The warning of the data set is on the page, before its table, and its notes are below, all as text."""
    ledger = Ledger(tmp_path / "runs")
    done = record(0.5, dataset="demo", id="a" * 32)
    known = replace(done.dataset, warnings=("demo is <b>made up",), notes=("2 rows <i>repeat",))
    put(ledger, replace(done, dataset=known))
    put(ledger, replace(record(0.1, model="prior", dataset="demo", id="b" * 32), dataset=known))

    source = write_report(ledger, tmp_path / "site").read_text()

    assert 0 < source.index("Warning: demo is &lt;b&gt;made up.") < source.index("<table")
    assert source.count("made up") == 1
    assert source.index("<table") < source.index("Data: 2 rows &lt;i&gt;repeat.")


def test_intervals_are_drawn_where_there_are_any() -> None:
    """A dot without, a bar with a name for screen readers with them, both to scale."""
    assert 'cx="50.00"' in interval_bar(0.5, None, None, (0.0, 1.0))
    assert "aria-hidden" in interval_bar(0.5, None, None, (0.0, 1.0))
    drawn = interval_bar(0.5, 0.0, 1.0, (0.0, 1.0))
    assert 'x1="4.00" x2="96.00"' in drawn
    assert 'aria-label="interval 0.0000 to 1.0000"' in drawn


def test_ranks_and_intervals_come_from_the_rows(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The columns of the CSV that say how sure a rank is are shown once they are filled."""
    module = sys.modules["mlbench.reporting.report.collect"]
    plain = module.leaderboard

    def filled(records: Any) -> Any:
        sure = {"rank_low": "1", "rank_high": "3", "average_precision_micro_low": "0.4",
                "average_precision_micro_high": "0.95"}  # fmt: skip
        board = plain(records)
        return replace(board, rows=tuple(row | (sure if row["rank"] else {}) for row in board.rows))

    monkeypatch.setattr(module, "leaderboard", filled)
    page = Page(write_report(ledger, tmp_path).read_text())

    assert [inside for a, inside in page.find("small") if a.get("class") == "ranks"] == ["1–3"] * 4
    named = [a["aria-label"] for a, _ in page.find("svg") if "aria-label" in a]
    assert named == ["interval 0.4000 to 0.9500"] * 3  # the baseline's is off the scale


# ------------------------------------------------------------------------------------------- contents
def test_labels_are_sorted_by_support_with_the_best_named(page: Page, ledger: Ledger) -> None:
    """The most frequent label first, all of them there, those after the sixtieth folded away."""
    (board,) = collect(ledger)
    heat = [(a, t) for a, t in page.find("tr") if "label-0" in t or "img src" in t]

    assert sum(a.get("class") == "more" for a, _ in page.find("tr")) == 10
    assert BREAKERS[0] in heat[0][1]
    values = [entry.label_ap[0] for entry in board.entries if entry.label_ap]
    best = max(range(len(values)), key=lambda i: values[i] or 0)
    assert heat[0][1].endswith(board.entries[best].name)
    cells = [a for a, _ in page.find("td") if "cell" in (a.get("class") or "")]
    assert len(cells) == 70 * 4
    assert sum("data-ap" not in cell for cell in cells) == 4


def test_the_front_is_what_nothing_beats(tmp_path: Path) -> None:
    """A row is on the front unless another costs no more and is no worse; equal rows are both on it."""
    ledger = Ledger(tmp_path / "runs")
    for i, (cost, micro) in enumerate([(1, 0.5), (2, 0.4), (3, 0.6), (3, 0.6), (4, 0.6), (1, 0.4)]):
        seconds = Timings(prepare_seconds=0.0, tune_seconds=float(cost), fit_seconds=0.0, predict_seconds=0.0)
        put(ledger, record(micro, model=f"m{i}", id=f"{i:032x}", timings=seconds))
    (board,) = collect(ledger)

    assert {entry.row["model"] for entry in board.entries if entry.on_front} == {"m0", "m2", "m3"}


def _tuned(loss: float, **more: Any) -> Record:
    done = record(0.5, budget=Budget(metric="label_ranking_loss"), **more)
    return replace(done, metrics={**done.metrics, "test": {**done.metrics["test"], "label_ranking_loss": loss}})


def test_the_front_and_the_board_are_of_the_tuned_metric(tmp_path: Path) -> None:
    """Where less is better the front is of those that are cheap and low, and the table shows the metric first."""
    ledger = Ledger(tmp_path / "runs")
    for i, (cost, loss) in enumerate([(1, 0.5), (2, 0.6), (3, 0.4)]):
        seconds = Timings(prepare_seconds=0.0, tune_seconds=float(cost), fit_seconds=0.0, predict_seconds=0.0)
        put(ledger, _tuned(loss, model=f"m{i}", id=f"{i:032x}", timings=seconds))

    (board,) = collect(ledger)
    page = Page(write_report(ledger, tmp_path / "site").read_text())

    assert [entry.row["model"] for entry in board.entries] == ["m2", "m0", "m1"]
    assert {entry.row["model"] for entry in board.entries if entry.on_front} == {"m0", "m2"}
    assert [inside.strip(" ▴▾") for _, inside in page.find("th")][3] == "label_ranking_loss ↓"
    assert any("ranked by label_ranking_loss on test" in inside for _, inside in page.find("caption"))


def test_best_so_far() -> None:
    """The running best of complete trials, in the metric's direction."""
    values = [None, 0.2, 0.5, None, 0.3]
    trials = [Trial(number=i, state="COMPLETE" if v else "FAIL", value=v) for i, v in enumerate(values)]

    assert best_so_far(trials, minimize=False) == [None, 0.2, 0.5, 0.5, 0.5]
    assert best_so_far(trials, minimize=True) == [None, 0.2, 0.2, 0.2, 0.2]


def test_the_command_makes_the_same_jobs(tmp_path: Path) -> None:
    """Run as it stands, the command that the page gives finds every job done."""
    run = [sys.executable, "-m", "mlbench"]
    words = ["run", "-m", "prior", "--limit", "60", "--seed", "0", "--seed", "3", "--n-trials", "2", "--timeout", "1h"]
    subprocess.run([*run, *words], cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run([*run, "report", "-o", "site"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, f"written: {Path('site/index.html')}\n", "")
    before = sorted(path.name for path in (tmp_path / "runs" / "jobs").iterdir())

    (board,) = collect(Ledger(tmp_path / "runs"))
    (lines,) = board.commands
    command = " ".join(lines)
    assert command == (
        "mlbench run demo --limit 60 -m prior -f rfft --n-trials 2 --timeout 3600s --trial-timeout 300s "
        "--memory-limit 8G --metric average_precision_micro --refit auto --device cpu --seed 0 --seed 3"
    )
    subprocess.run([*run, *command.split()[1:]], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(path.name for path in (tmp_path / "runs" / "jobs").iterdir()) == before


def test_models_with_other_features_get_a_command_of_their_own(tmp_path: Path) -> None:
    """One command for each set of features and seeds; names are quoted for the shell; the baseline's come first."""
    ledger = Ledger(tmp_path / "runs")
    rows = [("a", "raw", 0), ("a", "rfft", 0), ("b", "raw", 0), ("b", "rfft", 0), ("c; rm", "raw", 1)]
    rows += [("prior", "rfft", 0)]
    for i, (model, features, seed) in enumerate(rows):
        put(ledger, record(0.5, model=model, features=features, seed=seed, id=f"{i:032x}"))
    (board,) = collect(ledger)

    assert [" ".join(command[:3]) for command in board.commands] == [
        "mlbench run toy -m 'c; rm' -f raw",
        "mlbench run toy -m a -m b -f rfft -f raw",
    ]


def test_same_ledger_same_bytes(ledger: Ledger, index: Path, tmp_path: Path) -> None:
    """Nothing of when or where it was made is in the page."""
    assert write_report(ledger, tmp_path / "a" / "b").read_bytes() == index.read_bytes()


def test_boards_of_one_data_set_are_told_apart(tmp_path: Path) -> None:
    """Two budgets are two boards, the smaller first, with it in their titles; a data set that is named is alone."""
    ledger = Ledger(tmp_path / "runs")
    for i, (dataset, n_trials) in enumerate([("toy", 5), ("toy", 20), ("other", 20)]):
        put(ledger, record(0.5, dataset=dataset, budget=Budget(n_trials=n_trials), id=f"{i:032x}"))

    assert [board.title.split(",")[0] for board in collect(ledger)] == ["other", "toy (5 trials", "toy (20 trials"]
    assert [board.dataset for board in collect(ledger, ["other"])] == ["other"]


def test_jobs_without_curves_are_named(tmp_path: Path) -> None:
    """A job that is older than curves costs the others nothing."""
    ledger = Ledger(tmp_path / "runs")
    put(ledger, record(0.5, id="a" * 32))
    put(ledger, record(0.6, model="old", id="b" * 32), curves=())
    source = write_report(ledger, tmp_path / "site").read_text()

    assert "No curves, because an older mlbench ran them: old · raw." in source


def test_only_failures_make_a_page(tmp_path: Path) -> None:
    """A board on which nothing is ok has no charts, and its errors."""
    ledger = Ledger(tmp_path / "runs")
    put(ledger, record(None, status="failed", error="why", id="a" * 32, best_params=None), trials=())
    page = Page(write_report(ledger, tmp_path / "site").read_text())

    assert page.find("figure") == []
    assert any("why" in inside for _, inside in page.find("small"))


# ------------------------------------------------------------------------------------------ bad input
def test_what_cannot_be_reported_is_one_clear_error(ledger: Ledger, tmp_path: Path) -> None:
    """No job, no such data set, a folder that is none."""
    with pytest.raises(UsageError, match=r"no finished jobs in .*: start with"):
        write_report(Ledger(tmp_path / "runs"), tmp_path / "site")
    with pytest.raises(UnknownName, match="did you mean 'toy'"):
        write_report(ledger, tmp_path / "site", ["toi"])
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write .*: choose another folder with -o"):
        write_report(ledger, tmp_path / "file" / "site")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("name", ["trials.csv", "per_label.csv", "curves.json"])
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    """A file that is not the one of its record is never drawn."""
    ledger = Ledger(tmp_path / "runs")
    put(ledger, record(0.5, id="a" * 32))
    path = ledger.jobs / ("a" * 32) / name
    path.write_text(path.read_text().replace("5", "6"))

    with pytest.raises(LedgerError, match=rf"{name}: wrong checksum: delete .* and run again"):
        collect(ledger)


def test_assets_are_short_and_draw_no_html() -> None:
    """The rule of 400 lines holds for scripts and styles too; texts come in as texts."""
    for path in files("mlbench.reporting.report").iterdir():
        if path.name.endswith((".js", ".css")):
            source = path.read_text(encoding="utf-8")
            assert len(source.splitlines()) <= 400
            assert not any(word in source for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval("))
            assert "@import" not in source
            assert "url(" not in source
