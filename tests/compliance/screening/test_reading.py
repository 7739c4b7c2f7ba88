"""Official files are read, and others refused with the line and the reason."""

import pytest

from compliance.screening.entries import ListError
from compliance.screening.reading import read_lists


def test_official_files_are_told_apart_by_what_is_in_them_whatever_their_order(files):
    """One list of the Treasury's three files, one of the UN's; orphans are counted."""
    un, sdn = read_lists([files["add"], files["un"], files["alt"], files["sdn"]])
    assert (sdn.list_name, sdn.list_date, len(sdn.entries), sdn.orphan_count) == (
        "ofac_sdn",
        "2025-01-02",
        6,
        2,
    )
    assert (un.list_name, un.list_date, un.entries[0].id) == ("un", "2026-02-27", "CDi.900")
    person = next(entry for entry in sdn.entries if entry.id == "100")
    assert [(name.text, name.is_weak) for name in person.names] == [
        ("ZARQAWIAN, Faruq Tamimuddin", False),
        ("ZARKAWIYAN, Farouk", False),
        ("VULTURE", True),
    ]
    assert person.countries == ("IR",)
    assert person.births[0].day == "1958-05-03"


def test_a_file_that_was_cut_is_refused_with_its_line(files):
    """In the midst of a row of the Treasury's, and of the UN's XML."""
    files["sdn"].write_text(files["sdn"].read_text()[:200])
    with pytest.raises(ListError, match=r"sdn_2025-01-02.csv, line 2: "):
        read_lists([files["sdn"]])
    files["un"].write_text(files["un"].read_text()[:300])
    with pytest.raises(ListError, match=r"un.xml, line \d+: "):
        read_lists([files["un"]])


def test_aliases_without_their_list_are_refused(files):
    """There is nobody they could belong to."""
    with pytest.raises(ListError, match=r"alt.csv: aliases of entries that no given file holds"):
        read_lists([files["alt"]])


def test_an_entity_in_xml_is_not_resolved(files, tmp_path):
    """A file of this machine never becomes a name."""
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    text = (
        files["un"]
        .read_text()
        .replace(
            "<CONSOLIDATED_LIST",
            f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]><CONSOLIDATED_LIST',
            1,
        )
    )
    files["un"].write_text(text.replace("MBWALANKA", "&e;MBWALANKA"))
    (edition,) = read_lists([files["un"]])
    assert "SECRET" not in edition.entries[0].names[0].text
