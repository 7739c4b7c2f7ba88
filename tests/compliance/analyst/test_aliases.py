"""Pseudonyms: a name of the record is found however it is spelled, and put back."""

import pytest

from compliance.analyst.aliases import Aliases
from compliance.analyst.wording import masked, plain
from tests.compliance.analyst.scene import CANARIES, IBAN, PAN, SSN, dossier_of

CASE = dossier_of()
ALIASES = Aliases(CASE, ())


@pytest.mark.parametrize(
    "spelled",
    [
        "Zebulon Quartermaine",
        "ZEBULON QUARTERMAINE",
        "quartermaine, zebulon",
        "ZebulonQuartermaine",
        "Z e b u l o n  Q u a r t e r m a i n e",
        "Z.e.b.u.l.o.n-Quartermaine",
        "Zebulon\u200bQuartermaine",
        "Zébulôn Quartermäine",
        "\uff3a\uff45\uff42\uff55\uff4c\uff4f\uff4e Quartermaine",
        "Zеbulоn Quаrtеrmаinе",  # noqa: RUF001 - Cyrillic look-alikes
        "Z3bul0n Qu4rt3rm41n3",
        "mrquartermaineinvoice",
    ],
)
def test_a_name_is_not_sent_however_it_is_spelled(spelled):
    """Case, order, spacing, accents, widths, look-alikes, digits for letters."""
    sent = ALIASES.of_strangers(f"rent for {spelled} in may")
    assert sent.startswith("rent for")
    assert "PERSON_1" in sent or "[word]" in sent
    assert not any(canary in sent.lower() for canary in CANARIES)


@pytest.mark.parametrize(
    "number", [PAN, SSN, IBAN, "4556 7375 8689 9855", "4556-7375-8689-9855", "٤٥٥٦٧٣٧٥٨٦٨٩٩٨٥٥", "70311442"]
)
def test_a_number_is_not_sent_however_it_is_grouped(number):
    """No digit of a stranger's text is."""
    sent = ALIASES.of_strangers(f"invoice {number}")
    assert not any(char.isdigit() for char in sent.replace("ACCOUNT_1", "").replace("ACCOUNT_2", ""))


def test_a_name_that_the_record_does_not_know_is_not_sent():
    """Only words that payments are about are let through."""
    assert ALIASES.of_strangers("gift to Ottoline Vane for school fees") == "gift to [word] for school fees"


def test_pseudonyms_are_put_back():
    """Names and accounts as the record has them; one that was never given stays."""
    assert ALIASES.restore("PERSON_1 paid COMPANY_1 from ACCOUNT_1; PERSON_19") == (
        "Zebulon Quartermaine paid Oyelaran Brightwater Trading LLC from account 70311442; PERSON_19"
    )


def test_the_same_dossier_gets_the_same_pseudonyms():
    """So that the same question is the same text."""
    assert Aliases(dossier_of(), ()).all == ALIASES.all
    assert Aliases(dossier_of(), ()).parties == ALIASES.parties


def test_amounts_and_dates_of_rules_stay_and_references_go():
    """What rules wrote of account 70311442 is told by its pseudonym."""
    text = "$62,500.00 on 2026-11-19 from account 70311442, 1250000.00 USD, number 123456789"
    assert ALIASES.of_rules(text) == (
        "$62,500.00 on 2026-11-19 from account ACCOUNT_1, 1250000.00 USD, number [number]"
    )


def test_a_strangers_text_shows_as_one_harmless_line():
    """Without controls, zero widths and reversals; long numbers but for their end."""
    assert plain("a\u200bb\u202ec\x00\n d", 20) == "abc d"
    assert plain("x" * 50, 10) == "x" * 9 + "…"
    assert masked("card 4556 7375 8689 9855, no 12345") == "card ****9855, no 12345"
