"""The page of a report: whole, safe and readable, also by those who see no charts."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from typer.testing import CliRunner

from scoring import passage
from scoring.attempt import empty_attempts
from scoring.evaluate import average_precision, recall_at
from scoring.history import read_history
from scoring.report import wording
from scoring.report.chapters import chapters
from scoring.report.examined import examined
from scoring.report.page import render, write_report
from scoring.report.scored import Currency, ReportError
from scoring.train import REPORT_FILE
from server.cli import app
from tests.scoring.scored_traffic import COSTS, laden, made

NASTY = "</style><script>alert('x')</script>\"&<b>"


class Page(HTMLParser):
    """What stands in a page: tags with their attributes, and whether every one is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], {}
        self.feed(text)
        assert self.open == []

    def handle_decl(self, decl):
        assert decl == "doctype html"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.words.setdefault(self.open[-1], []).append(data)


def table_of(scored, chapter, number=0):
    """A chapter's table as the page shows it: rows of text by their first cell."""
    found = next(each for each in chapters(scored) if each.key == chapter).tables[number]
    return {row[0]: dict(zip(found.header[1:], row[1:], strict=True)) for row in found.rows}


def test_the_page_shows_the_figures_that_were_counted():
    """Spot checks of cells against plain counting."""
    scored = laden()
    above = scored.scores > np.float32(0.85)
    declined = table_of(scored, "money")["0.85"]
    assert declined["Frauds"] == f"{(above & scored.is_fraud).sum():,}"
    assert declined["Genuine"] == f"{(above & ~scored.is_fraud).sum():,}"
    own = table_of(scored, "compared")[scored.model]
    assert own["Average precision"] == f"{average_precision(scored.is_fraud, scored.scores):.3f}"
    recall = table_of(scored, "caught")["1\N{NO-BREAK SPACE}%"]["Recall"]
    assert recall == wording.share(recall_at(scored.is_fraud, scored.scores, 0.01))
    rule = scored.rules["rule"]
    precision = scored.is_fraud[rule].mean()
    assert table_of(scored, "rules")["rule"]["Precision"] == wording.share(float(precision))
    differ = table_of(scored, "compared", 1)
    assert sum(int(row["Frauds"].replace(",", "")) for row in differ.values()) == scored.is_fraud.sum()


def test_a_page_needs_nothing_beside_itself():
    """No script, no link to elsewhere, no font, no image; a policy in the page forbids them."""
    text = render(laden())
    page = Page(text)
    assert {tag for tag, _ in page.tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "image",
        "use",
    } == set()
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    targets = [given[name] for _, given in page.tags for name in ("href", "src") if name in given]
    assert all(target.startswith("#") for target in targets)
    assert re.search(r"url\(|@import|https?:", text) is None
    assert "default-src 'none'" in text


def test_a_page_can_be_read_without_seeing_its_charts():
    """Charts have a title and a description, tables a caption and headers; what is referred to is there."""
    page = Page(render(laden()))
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids))
    for tag, given in page.tags:
        for target in given.get("aria-labelledby", "").split():
            assert target in ids
        if tag == "svg":
            assert given["role"] == "img"
            assert given["aria-labelledby"]
        if tag == "a":
            assert given["href"][1:] in ids
        if tag == "th":
            assert given["scope"] in {"col", "row"}
    count = [tag for tag, _ in page.tags].count
    assert count("svg") == count("desc") == count("figure") > 10
    assert count("table") == count("caption") > 10
    assert all(word.strip() for word in page.words["caption"])


def test_text_from_outside_stays_text_wherever_it_stands():
    """Names of models, files, cards, merchants, groups, rules, features and facts are escaped."""
    text = render(laden(NASTY))
    assert NASTY not in text
    assert "<script" not in text
    assert "alert(" in text
    page = Page(text)
    assert {tag for tag, _ in page.tags} & {"script", "b"} == set()
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in Page(render(laden())).tags}


def test_a_card_is_shown_by_its_last_four_digits():
    """A report is passed around: no whole number is in it."""
    text = render(laden())
    assert not any(card in text for card in laden().cards)
    assert "•••• 00" in text


def test_the_same_history_gives_the_same_page(tmp_path):
    """Byte for byte, and no time of its own in it."""
    for name in ("one", "two"):
        write_report(tmp_path / name, laden(), created="2026-11-21T00:00:00+00:00")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert "made 2026-11-21T00:00:00+00:00" in (tmp_path / "one").read_text(encoding="utf-8")


def test_a_report_of_little_is_still_a_report():
    """Two payments, one of them fraud, at the ends of the scale; nothing else known."""
    attempts = empty_attempts(2)
    attempts["amount_minor"] = [0, 5]
    for scores in ([0.0, 1.0], [1.0, 0.0], [0.5, 0.5]):
        text = render(
            made(
                attempts=attempts,
                cards=["x"],
                is_fraud=np.array([False, True]),
                scores=np.array(scores, np.float32),
                currency=Currency("JPY", 0),
            )
        )
        assert "JPY\N{NO-BREAK SPACE}5" in text
        Page(text)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"is_fraud": np.zeros(4_000, np.bool_)}, "both"),
        ({"scores": np.full(4_000, np.nan, np.float32)}, "scores: a score is a probability"),
        ({"scores": np.zeros(5, np.float32)}, "scores has 5 rows, the history has 4000"),
        ({"rules": {"odd": np.zeros(5, np.bool_)}}, r"rules\[odd\] has 5 rows"),
        ({"attempts": made().attempts[::-1]}, "not in order of time"),
    ],
)
def test_a_history_that_does_not_fit_is_refused_by_name(changes, says):
    """A report of wrong columns would be wrong in silence."""
    with pytest.raises(ReportError, match=says):
        made(**changes)


def test_colours_stand_out_in_light_and_in_dark():
    """Text has the contrast of WCAG's level AA (4.5), lines and marks that of its graphics (3)."""
    css = re.search(r"<style>(.*?)</style>", render(made()), re.DOTALL)[1]

    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    for palette in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        colours = {name: luminance(colour) for name, colour in re.findall(r"--(\w+): (#\w{6})", palette)}
        for name in ("ink", "soft", "own", "fraud", "genuine", "saved", "rival", "second", "third"):
            for ground in ("paper", "wash"):
                light, dark = sorted((colours[name], colours[ground]), reverse=True)
                needed = 3 if name in {"saved", "rival", "second", "third"} else 4.5
                assert (light + 0.05) / (dark + 0.05) >= needed, (name, ground)


def test_a_model_and_a_history_become_what_a_report_takes(small_history, small_model):
    """Scores are the model's own, timed or not; rules and reasons come along; the training file is told."""
    history = read_history(small_history / "transactions.parquet", small_history / "customers.csv")
    features = passage.observe(history)
    measured = history.attempts["time_s"] >= history.attempts["time_s"][4_000]
    found = examined(small_model, history, features, measured, data="small", costs=COSTS, timed=True)
    assert np.array_equal(found.scores, small_model.score(features[measured]))
    assert np.array_equal(found.is_fraud, history.is_fraud[measured])
    assert found.elapsed_us.min() > 0
    assert len(found.rules) == 2
    assert found.cautions == ("The model learnt from this very history: the figures flatter it.",)
    reason = found.why.reasons(0, 1)[0]
    assert reason.feature in found.why.names
    assert "What moves scores" in render(found)
    with pytest.raises(ReportError, match="beside itself"):
        examined(small_model, history, features, measured, data="", costs=COSTS, rivals=[small_model])
    with pytest.raises(ReportError, match="no labels"):
        examined(small_model, history._replace(is_labelled=False), features, measured, data="", costs=COSTS)


def test_training_leaves_its_report_beside_the_model(small_model_folder, small_model):
    """It is of the cards and weeks that the manifest's figures are of, and says whose figures they are."""
    text = (small_model_folder / REPORT_FILE).read_text(encoding="utf-8")
    Page(text)
    assert "the model itself learnt from all of it" in text
    for part, name in (("cards_unseen", "never seen"), ("cards_known", "known from training")):
        figures = small_model.manifest.metrics[part]
        row = re.search(rf">{name}</th>(.*?)</tr>", text)[1]
        cells = re.findall(r"<td>(.*?)</td>", row)
        assert cells[:2] == [f"{figures['transactions']:,}", f"{figures['frauds']:,}"]
        assert float(cells[2]) == pytest.approx(figures["average_precision"], abs=0.0005)


def test_evaluate_writes_the_report_of_what_it_measured(small_history, small_model_folder, tmp_path):
    """`holdfast evaluate --report` writes the page; a currency that is none is refused before anything runs."""
    page = tmp_path / "report.html"
    command = [
        "evaluate", "--data", str(small_history / "transactions.parquet"), "--model", str(small_model_folder),
        "--report", str(page), "--home", str(tmp_path),
    ]  # fmt: skip
    done = CliRunner().invoke(app, [*command, "--currency", "EUR"])
    assert done.exit_code == 0, done.output
    assert "EUR\N{NO-BREAK SPACE}" in page.read_text(encoding="utf-8")
    page.unlink()
    assert CliRunner().invoke(app, [*command, "--currency", "money"]).exit_code == 1
    assert not page.exists()


def test_a_browser_shows_the_page_without_a_complaint(tmp_path):
    """Chromium draws it, dark and narrow too, and refuses nothing for the page's own policy."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no chromium here: install Debian's package chromium")
    write_report(tmp_path / "report.html", laden(NASTY))
    shot = tmp_path / "report.png"
    done = subprocess.run(
        [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--window-size=420,900", f"--screenshot={shot}",
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert shot.stat().st_size > 10_000
    assert "CONSOLE" not in done.stderr
