"""Files become works, sections, passages: each paragraph under its citation."""

from datetime import date

import pytest

from compliance.policies.citing import Cited, citations, nearest
from compliance.policies.codified import code_sections, plain
from compliance.policies.edition import DocumentKind, Paragraph, PolicyError, Section
from compliance.policies.marks import CFR, USC, follow, leading
from compliance.policies.reading import Told, read
from compliance.policies.splitting import PASSAGE_CHARS_MAX, pieces

CHAPTER = """
# CHAPTER X—FINANCIAL CRIMES

## PART 1010—GENERAL PROVISIONS

#### § 1010.100 General definitions.

In this chapter:

(dd) *Monetary instruments.* (1) Monetary instruments include:

(i) Currency;

(ii) Traveler's checks.

(2) They do not include bills of lading.

(ee) [Reserved]

(ff) *Money services business.* A person wherever located. [*,*]

#### § 1010.305 [Reserved]

#### § 1010.306 Filing of reports.

(a)(1) A report shall be filed within 15 days.

(2) A copy shall be retained for five years.

[84 FR 29058, June 21, 2019, as amended at 89 FR 40375, May 10, 2024]
"""
STATUTE = """# Title 31— MONEY AND FINANCE
### CHAPTER 53— MONETARY TRANSACTIONS
#### § 5318. Compliance
###### (g) Reporting of Suspicious Transactions.

(1) In general .

The Secretary may require it.
"""
REGULATION = """<?xml version="1.0"?>
{doctype}<regulation xmlns="eregs">
  <fdsys><title>ELECTRONIC FUND TRANSFERS</title></fdsys>
  <preamble><regLetter>E</regLetter><cfr><title>12</title><section>1005</section></cfr>
    <effectiveDate>2016-11-14</effectiveDate></preamble>
  <part label="1005"><content>
    <section label="1005-6" sectionNum="6"><subject>§ 1005.6 Liability of consumer.</subject>
      <paragraph label="1005-6-b" marker="(b)"><title>Limitations.</title><content>As follows:</content>
        <paragraph label="1005-6-b-1" marker="(1)"><content>Not over <ref target="x">$50</ref>{entity}.</content></paragraph>
      </paragraph></section></content></part>
  <interpretations label="1005-Interp"><interpSection label="1005-6-Interp"><title>Section 1005.6</title>
    <interpParagraph label="1005-6-b-Interp" marker="Interp" target="1005-6-b"><title>6(b) Limitations</title><content/>
      <interpParagraph label="1005-6-b-Interp-1" marker="1."><title>Examples.</title><content>A card.</content></interpParagraph>
    </interpParagraph></interpSection></interpretations>
</regulation>"""


@pytest.fixture
def file(tmp_path):
    """Writes a file and gives its path."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("path", "marks", "opened", "expected"),
    [
        ([], ["a"], False, ["a"]),
        (["a"], ["1"], False, ["a", "1"]),
        (["a", "1"], ["i"], True, ["a", "1", "i"]),
        (["h", "1"], ["i"], False, ["i"]),
        (["h", "1"], ["i"], True, ["h", "1", "i"]),
        (["a", "1", "iv"], ["v"], False, ["a", "1", "v"]),
        (["z"], ["aa"], False, ["aa"]),
        (["a", "3"], ["b"], False, ["b"]),
        (["a"], ["b", "1", "i"], False, ["b", "1", "i"]),
        (["a", "1", "ii", "B"], ["2"], False, ["a", "2"]),
        (["c"], ["e"], False, ["e"]),
    ],
)
def test_a_mark_finds_its_level_after_any_path(path, marks, opened, expected):
    """Letters and small Roman numbers are told apart by what was open."""
    assert follow(path, marks, CFR, opened=opened) == expected


def test_a_statute_numbers_its_levels_otherwise():
    """A capital letter comes before a small Roman number."""
    assert follow(["g", "2"], ["A"], USC, opened=True) == ["g", "2", "A"]
    assert follow(["g", "2", "A"], ["i"], USC, opened=True) == ["g", "2", "A", "i"]


def test_the_marks_at_the_start_are_taken_off_where_dashes_stand_between():
    """As in part 501: (b) —(1) —(i)."""
    assert leading("(b) —(1) —(i)  Reports (yes)") == (["b", "1", "i"], "Reports (yes)")


def test_sections_of_a_code_carry_title_part_and_paths(file):
    """Reserved sections are left out; the notes' newest date is the edition's."""
    (work,) = read([file("31_cfr_chapter_x.md", CHAPTER)])
    assert (work.name, work.kind, work.jurisdiction) == ("31 CFR Chapter X", DocumentKind.REGULATION, "US")
    assert work.effective == date(2024, 5, 10)
    assert [section.citation for section in work.sections] == ["31 CFR 1010.100", "31 CFR 1010.306"]
    definitions, filing = work.sections
    assert definitions.context == "General provisions"
    paths = [paragraph.path for paragraph in definitions.paragraphs]
    assert paths == [(), ("dd",), ("dd", "1", "i"), ("dd", "1", "ii"), ("dd", "2"), ("ee",), ("ff",)]
    assert [piece.citation for piece in pieces(filing)] == ["31 CFR 1010.306(a)"]


def test_each_definition_is_a_passage_under_its_own_heading(file):
    """So that a search for a term meets it."""
    (work,) = read([file("31_cfr_chapter_x.md", CHAPTER)])
    found = {piece.citation: piece.heading for piece in pieces(work.sections[0])}
    assert found["31 CFR 1010.100(ff)"] == "General definitions. Money services business"


def test_a_mark_that_lost_its_place_goes_back_where_it_was():
    """`[*…*]` is a heading whose place is uncertain: it stays, without stars."""
    assert plain("(D) () It provides solely: [*1*]") == "(D) (1) It provides solely:"
    assert plain("(r) *Agency* One. [*e.g.,*]") == "(r) Agency One. [e.g.,]"


def test_pieces_of_a_statute_are_one_work(file):
    """Each file is a subsection; together they are the chapter."""
    file("53/chunk-9.md", STATUTE)
    file("53/chunk-10.md", STATUTE.replace("(g)", "(h)"))
    (work,) = read([file("53/chunk-10.md", STATUTE.replace("(g)", "(h)")).parent])
    assert work.name == "31 U.S.C. Chapter 53"
    (section,) = work.sections
    assert section.citation == "31 U.S.C. 5318"
    assert section.paragraphs[0].path == ("g",)
    assert section.paragraphs[-1].path == ("h", "1")


def test_a_regulation_in_xml_is_two_works_with_its_date(file):
    """Its official interpretations are cited by the paragraph that they are of."""
    law, comments = read([file("reg_e.xml", REGULATION.format(doctype="", entity=""))])
    assert (law.name, law.effective) == ("12 CFR Part 1005", date(2016, 11, 14))
    assert [one.path for one in law.sections[0].paragraphs] == [("b",), ("b", "1")]
    assert law.sections[0].paragraphs[1].text == "(1) Not over $50."
    assert comments.kind is DocumentKind.INTERPRETATION
    assert comments.sections[0].citation == "12 CFR 1005.6(b), official interpretation"


def test_no_entity_of_a_strange_xml_is_expanded(file):
    """Neither files nor bombs come in by a DTD."""
    secret = file("secret.txt", "hidden words")
    doctype = f'<!DOCTYPE regulation [<!ENTITY x SYSTEM "{secret.as_uri()}">]>\n'
    law, _ = read([file("reg_e.xml", REGULATION.format(doctype=doctype, entity="&x;"))])
    assert "hidden" not in str(law)


def test_front_matter_says_what_a_policy_is_and_the_command_line_goes_first(file):
    """Headings make the citations."""
    path = file(
        "p.md",
        "---\nname: Our policy\nkind: aml_policy\neffective: 2025-01-01\n---\n# One\n\n## Two\n\nText.\n",
    )
    (work,) = read([path], Told(jurisdiction="US-NY"))
    assert (work.name, work.kind, work.effective) == ("Our policy", DocumentKind.AML_POLICY, date(2025, 1, 1))
    assert (work.jurisdiction, work.sections[0].citation) == ("US-NY", "Our policy, One, Two")


def test_plain_text_is_split_at_numbered_lines_and_capitals(file):
    """Nothing else looks like a heading there."""
    (work,) = read(
        [file("wires.txt", "WIRES\n\nAll of them.\n\n1.2 Cut-off times\n\nAt five.\nEvery day.\n")]
    )
    assert [section.citation for section in work.sections] == [
        "wires, Wires",
        "wires, Wires, 1.2 Cut-off times",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.pdf", "x", r"\.pdf is none of"),
        ("a.md", "---\nkind: law\n---\nx\n", "kind: 'law' is none of statute"),
        ("a.md", "---\neffective: soon\n---\nx\n", "effective: 'soon' is no date"),
        ("a.md", "---\nauthor: me\n---\nx\n", "'author' is none of"),
        ("a.xml", "<regulation", "not well-formed"),
        ("a.xml", "<other/>", "its root is other"),
        ("a.md", "\n\n", "nothing to import"),
        ("a.md", "#### § 1010.1 Lost\n\nText.\n", "title is not named"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(file, name, text, said):
    """By the file's name, and what is allowed."""
    with pytest.raises(PolicyError, match=said):
        read([file(name, text)])


def test_bytes_that_are_no_text_are_refused(tmp_path):
    """With the place of the first."""
    (tmp_path / "a.md").write_bytes(b"ab\xff")
    with pytest.raises(PolicyError, match=r"a\.md: not UTF-8 text \(byte 2\)"):
        read([tmp_path / "a.md"])


def test_no_passage_is_longer_than_the_bound_and_no_word_is_lost():
    """Whatever the paragraphs are like."""
    words = [f"word{n}" for n in range(900)]
    texts = (" ".join(words[:500]), ". ".join(words[500:]), "x" * 4000)
    made = pieces(Section("31 CFR 1.1", "Long", tuple(Paragraph((), text) for text in texts)))
    assert all(len(piece.body) <= PASSAGE_CHARS_MAX for piece in made)
    together = " ".join(piece.body for piece in made)
    assert all(word in together for word in words)
    assert together.count("x") == 4000


def test_sections_of_one_number_are_joined():
    """A code that comes in pieces."""
    twice = code_sections(CHAPTER + "\n#### § 1010.306 Filing of reports.\n\n(b) More.\n", "31 CFR")
    assert [section.citation for section in twice] == ["31 CFR 1010.100", "31 CFR 1010.306"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("31 CFR 1010.610, 1020.210", [("31 CFR 1010.610", ()), ("31 CFR 1020.210", ())]),
        ("31 USC 5318(g)(2)", [("31 U.S.C. 5318", ("g", "2"))]),
        ("31 CFR 501.603: within 10 business days", [("31 CFR 501.603", ())]),
        ("nothing in 2024", []),
    ],
)
def test_a_citation_is_taken_apart(text, expected):
    """A number without a title is of the one before; days and years are none."""
    assert [tuple(one) for one in citations(text)] == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), 0),
        (("a", "1"), 0),
        (("b", "2"), 2),
        (("b", "1"), 1),
        (("c",), 3),
        (("d", "4"), 3),
        (("e", "2", "i"), 4),
        (("z",), 0),
    ],
)
def test_a_paragraph_is_found_in_the_passage_that_holds_it(path, expected):
    """By the passage's citation first, then by the marks in its text."""
    passages = [
        ("31 CFR 1.1(a)", "(a) One.\n\n(1) Two."),
        ("31 CFR 1.1(b)", "(b)(1) Three."),
        ("31 CFR 1.1(b)", "(2) Four."),
        ("31 CFR 1.1(c)-(d)", "(c) Five.\n\n(d) Six."),
        ("31 CFR 1.1(e)(2)", "(i) Seven."),
    ]
    assert nearest(Cited("31 CFR 1.1", path), passages) == expected
