"""A currency transaction report, FinCEN form 112, as an Activity of a batch (schema CTRX)."""

from datetime import date
from typing import Any, Final

from compliance.filings.bank import Bank
from compliance.filings.content import CashPerson, CashRole, Ctr, Report
from compliance.filings.parties import (
    LOCATION,
    begin_party,
    day_text,
    dollars,
    person_flags,
    put,
    put_bank_parties,
    put_given,
    put_institution,
    put_person,
)

CODES: Final = {CashRole.OWN: "50", CashRole.CONDUCTOR: "17", CashRole.BEHALF: "23"}
DEPOSITS: Final = "55"
WITHDRAWALS: Final = "56"
_ACCOUNT_IN: Final = "8"
_ACCOUNT_OUT: Final = "9"


def put_ctr(batch: Any, ctr: Ctr, bank: Bank, filed: date) -> None:
    """Appends the report. What the bank or a person lacks has been named before: see `lacks`."""
    activity = put(batch, "Activity")
    put_given(activity, (("EFilingPriorDocumentNumber", ctr.prior_bsa_id),))
    put(activity, "FilingDateText", day_text(filed))
    association = put(activity, "ActivityAssociation")
    put(association, "CorrectsAmendsPriorReportIndicator", "Y" if ctr.report is Report.CORRECTS else "")
    put(association, "FinCENDirectBackFileIndicator", "")
    put(association, "InitialReportIndicator", "Y" if ctr.report is Report.INITIAL else "")
    put_bank_parties(activity, bank)
    for code in ctr.branches or ("",):
        put_institution(activity, LOCATION, bank, bank.branches.get(code, bank.address))
    for person in ctr.persons:
        _put_person(activity, person)
    _put_transaction(activity, ctr)


def _put_person(activity: Any, given: CashPerson) -> None:
    flags = person_flags(given.person)
    flags.append(("IndividualEntityCashInAmountText", str(dollars(given.in_minor)) if given.in_minor else ""))
    flags.append(
        ("IndividualEntityCashOutAmountText", str(dollars(given.out_minor)) if given.out_minor else "")
    )
    flags.append(("MultipleTransactionsPersonsIndividualsIndicator", "Y" if given.is_many else ""))
    party = begin_party(activity, CODES[given.role], flags)
    put_person(party, given.person)
    for code, numbers in ((_ACCOUNT_IN, given.accounts_in), (_ACCOUNT_OUT, given.accounts_out)):
        for number in numbers:
            account = put(party, "Account")
            put(account, "AccountNumberText", number)
            put(put(account, "PartyAccountAssociation"), "PartyAccountAssociationTypeCode", code)


def _put_transaction(activity: Any, ctr: Ctr) -> None:
    """Totals and their parts: one part each way, so that they agree after rounding."""
    amounts = ((DEPOSITS, ctr.in_minor), (WITHDRAWALS, ctr.out_minor))
    transaction = put(activity, "CurrencyTransactionActivity")
    put(transaction, "AggregateTransactionIndicator", "Y" if ctr.is_aggregated else "")
    for name in (
        "ArmoredCarServiceIndicator",
        "ATMIndicator",
        "MailDepositShipmentIndicator",
        "NightDepositIndicator",
        "SharedBranchingIndicator",
    ):
        put(transaction, name, "")
    put(transaction, "TotalCashInReceiveAmountText", str(dollars(ctr.in_minor)) if ctr.in_minor else "")
    put(transaction, "TotalCashOutAmountText", str(dollars(ctr.out_minor)) if ctr.out_minor else "")
    put(transaction, "TransactionDateText", day_text(ctr.day))
    for code, amount_minor in amounts:
        if amount_minor:
            part = put(transaction, "CurrencyTransactionActivityDetail")
            put(part, "CurrencyTransactionActivityDetailTypeCode", code)
            put(part, "DetailTransactionAmountText", str(dollars(amount_minor)))
            put(part, "OtherCurrencyTransactionActivityDetailText", "")
            put(part, "OtherForeignCurrencyCountryText", "")
