"""The travel rule: what must go with a wire of 3,000 and more, and be kept."""

from typing import Final

from compliance.facts import WIRES, Direction, Dossier, PartyRole
from compliance.results import Finding, Severity
from compliance.rules.policy import RulesPolicy, is_called_off, reaches, worth
from compliance.rules.wording import dollars

_SENT: Final = "31 CFR 1010.410(f)"
_RECEIVED: Final = "31 CFR 1020.410(a)"


def travel_rule(dossier: Dossier, policy: RulesPolicy) -> list[Finding]:
    """
    Which fields a wire of 3,000 and more lacks.

    31 CFR 1010.410(e), (f): the transmittor's name, account and address, amount, date, the recipient's bank; and of the
    recipient whatever was received: asked for here, so that it travels. Transfers under Regulation E's clearing (ACH,
    cards) are no transmittals of funds: 31 CFR 1010.100(ddd).
    """
    subject = dossier.subject
    usd_minor = worth(subject)
    if (
        subject.kind not in WIRES
        or is_called_off(subject)
        or usd_minor is None
        or not reaches(usd_minor, policy.travel_from_usd_minor)
    ):
        return []
    other = next((p for p in subject.parties if p.role == PartyRole.COUNTERPARTY), None)
    bank = next((p for p in subject.parties if p.role == PartyRole.BANK), None)
    sent = subject.direction == Direction.OUT
    sender, recipient = ("holder", "counterparty") if sent else ("counterparty", "holder")
    given = {
        "counterparty name": bool(other and other.name.strip()),
        "counterparty account": bool(other and other.account.strip()),
        "counterparty address": bool(other and other.address.strip()),
        "counterparty bank": bool(
            (other and other.bank_id.strip()) or (bank and (bank.bank_id or bank.name))
        ),
        "holder name": bool(dossier.customer.name.strip()),
        "holder address": bool(subject.holder_address.strip()),
    }
    wanted = [
        f"{sender} name",
        f"{sender} address",
        f"{recipient} name",
        "counterparty account",
        "counterparty bank",
    ]
    if sent:
        wanted.append("counterparty address")
    missing = [name for name in wanted if not given[name]]
    text = f"A wire of {dollars(usd_minor)}, at or over {dollars(policy.travel_from_usd_minor)}: "
    text += f"lacks {', '.join(missing)}." if missing else "all fields of the travel rule are there."
    return [
        Finding(
            "travel_rule",
            Severity.MEDIUM if missing else Severity.INFO,
            _SENT if sent else _RECEIVED,
            text,
            {"total_usd_minor": usd_minor, "missing": missing},
            (subject.source_id,),
        )
    ]
