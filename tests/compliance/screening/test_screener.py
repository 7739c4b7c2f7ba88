"""Names are held against lists as people write them, and every hit is explained."""

from datetime import date

import pytest

from compliance.screening.entries import Birth, Edition, ListEntry, Name
from compliance.screening.reading import read_lists
from compliance.screening.screener import Screener


@pytest.fixture
def screener(files):
    """Our lists, indexed."""
    return Screener(read_lists(list(files.values())))


@pytest.fixture
def ordinary():
    """A list on which frequent names stand beside rare ones."""

    def entry(number, kind, name, births=(), countries=()):
        return ListEntry(str(number), kind, "SDGT", (Name(name),), births, countries)

    frequent = [
        entry(n, "individual", f"{name} Vrtk{n:03}q")
        for n, name in enumerate(["MOHAMED", "ALI", "JOHN", "LEE"] * 150, 1_000)
    ]
    listed = [
        entry(1, "individual", "LEE, John", (Birth.on(date(1957, 12, 7)),), ("HK",)),
        entry(2, "individual", "WILSON, Joseph", (), ("CO",)),
        entry(3, "individual", "ALI, Mohamed", (), ("EG",)),
        entry(4, "individual", "PETROSHKIN, Vladislav", (Birth(1961, 1963),), ("RU",)),
        entry(5, "entity", "KORVANIC TRADING COMPANY, LTD.", (), ("IR",)),
        entry(6, "vessel", "AMELIA"),
        entry(7, "individual", "GARCIA MORENO, Luis Carlos"),
    ]
    return Screener([Edition("ofac_sdn", "2025-01-02", (*listed, *frequent))])


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("Faruq Tamimuddin Zarqawian", "100"),
        ("zarqawian faruq", "100"),
        ("Farooq Zarqawian", "100"),
        ("Faruq Tamimudin Zarqawain", "100"),
        ("F. Zarqawian", "100"),
        ("Farouk Zarkawiyan", "100"),
        ("Abdulqadir al Rahmani", "101"),
        ("Abdel Kader El-Rahmani", "101"),
        ("Korvanic Trading", "102"),
        ("KORVANIC TRADING CO LLC", "102"),
        ("Korvanik Trading Company", "102"),
        ("M/V IMO 7406784", "103"),
        ("Vladislav Petroshkin", "104"),
        ("Владислав Петрошкин", "104"),
        ("Djibrine Mbwalankaa", "CDi.900"),
        ("Faruq Tam1muddin Zarqaw1an", "100"),
        ("Shaykhh Faruq Zarqawian", "100"),
        ("Djibrne Mbwalamka", "CDi.900"),
        ("Korvan1c Trad1ng", "102"),
    ],
)
def test_a_listed_name_is_found_as_people_write_it(screener, name, entry):
    """Word order, initials, spelling, transliteration, legal forms, a ship's number."""
    hits = screener.screen(name)
    assert hits
    assert hits[0].entry_id == entry


@pytest.mark.parametrize(
    "name",
    [
        "CORP",
        "Trading Company",
        "General Bank",
        "Company Ltd",
        "Faruq",
        "John Smith",
        "Maria Garcia",
        "",
        "...",
        "al",
    ],
)
def test_frequent_words_and_ordinary_names_meet_nobody(screener, name):
    """A legal form or a trade names nobody, nor does a given name alone."""
    assert screener.screen(name) == []


@pytest.mark.parametrize("name", ["Carlos Garcia", "Luis Garcia", "Mary Garcia"])
def test_two_frequent_names_of_a_longer_one_meet_nobody(ordinary, name):
    """Very many people are called so; the whole name is met."""
    assert ordinary.screen(name) == []
    assert ordinary.screen("Luis Carlos Garcia Moreno")


def test_a_name_blocks_where_it_is_whole_and_nothing_contradicts(screener):
    """A date of birth of another decade leaves it to people."""
    name = "Faruq Tamimuddin Zarqawian"
    assert screener.screen(name)[0].is_match
    agreeing = screener.screen(name, birth_date=date(1958, 5, 3), countries=["IR"])[0]
    assert agreeing.is_match
    assert any("agrees" in note for note in agreeing.notes)
    assert not any(hit.is_match for hit in screener.screen(name, birth_date=date(1990, 1, 1)))


@pytest.mark.parametrize(
    "name", ["John Lee", "Joseph Wilson", "Mohamed Ali", "Amelia", "Vladislav Petroshkin"]
)
def test_a_person_is_not_blocked_by_two_names_alone(ordinary, name):
    """Somebody looks: others are called so too, and a ship's name is a given name."""
    hits = ordinary.screen(name)
    assert hits
    assert not any(hit.is_match for hit in hits)


def test_a_day_of_birth_or_a_country_bears_out_a_strong_name(ordinary):
    """A frequent name needs the day; a rare one the year or a country that is not the United States."""
    assert ordinary.screen("John Lee", birth_date=date(1957, 12, 7))[0].is_match
    assert not ordinary.screen("Mohamed Ali", countries=["EG"])[0].is_match
    assert ordinary.screen("Vladislav Petroshkin", countries=["RU"])[0].is_match
    assert ordinary.screen("Petroshkin, Vladislav", birth_date=date(1962, 1, 2))[0].is_match
    assert not ordinary.screen("Vladislav Petroshkin", countries=["US"])[0].is_match


def test_an_entity_or_vessel_is_blocked_by_its_whole_rare_name_or_its_number(ordinary, screener):
    """A person who is called as a company is not one; a number counts where the text says what it is."""
    assert ordinary.screen("Korvanic Trading Co")[0].is_match
    assert not ordinary.screen("Korvanik Trading Co")[0].is_match
    assert not ordinary.screen("Korvanic Trading Co", birth_date=date(1970, 1, 1))[0].is_match
    assert screener.screen("MV SOMETHING IMO 7406784")[0].is_match
    assert not screener.screen("INVOICE 7406784")[0].is_match


def test_every_hit_tells_which_tokens_met_and_how(screener):
    """What was asked stands beside what is listed."""
    (hit,) = screener.screen("F. Zarqavian")
    assert {(token.asked, token.how) for token in hit.tokens} >= {("f", "initial"), ("zarqavian", "spelling")}
    assert hit.list_date == "2025-01-02"


def test_a_weak_alias_never_blocks(screener):
    """A nickname is a reason to look, no more."""
    assert not any(hit.is_match for hit in screener.screen("Vulture"))


def test_without_a_list_nobody_is_met():
    """An empty screener answers."""
    assert Screener(()).screen("Osama bin Laden") == []


def test_a_stranger_who_writes_much_costs_little(screener):
    """Thousands of words are looked at as far as names go."""
    assert screener.screen("Faruq Zarqawian " * 5_000) is not None
