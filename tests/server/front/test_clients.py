"""The file of clients: what it may say, what is told of one that can't be believed, and what changes while we serve."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.front.clients import Clients, Everyone, Unidentified, contract
from server.front.clients_file import ClientsUnreadable, read_clients
from server.front.identity import LOCAL, sender_of
from server.front.permits import AUTHORIZE, EVERY_ACQUIRER, EVERY_BIN, NotPermitted

ALPHA = "spiffe://bank.example/alpha"
ONE = f"""
[[client]]
identity = "{ALPHA}"
methods = ["AuthorizationService", "FeedbackService/LabelTransactions"]
acquirers = ["123456", "000001"]
bins = ["999999", "400000-400999"]
rate = 100
concurrency = 7
"""
ALL = '[[client]]\nidentity = "beta.example"\nmethods = "*"\nacquirers = ["*"]\nbins = "*"\ntokens = true\n'


class Certificate:
    """A call's context, as far as identity goes."""

    def __init__(self, *, uris=(), dns=(), emails=(), common_name=b"somebody"):
        self._known = {"peer_uri": list(uris), "peer_dns": list(dns), "peer_email": list(emails)}
        self._names = [*uris, *dns, *emails]
        self._common_name = common_name

    def peer_identities(self):
        return self._names or [self._common_name]

    def peer_identity_key(self):
        return "x509_subject_alternative_name" if self._names else "x509_common_name"

    def auth_context(self):
        return {kind: names for kind, names in self._known.items() if names}


def written(path, text):
    """The file with this text, newer than whatever it held."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before + 10**9, before + 10**9))
    return path


def test_a_file_gives_each_identity_what_it_says():
    """Services, single methods, ranges; what is left out is not permitted."""
    clients = read_clients(ONE + ALL, contract())
    alpha, beta = clients[ALPHA], clients["beta.example"]
    assert {
        "AuthorizationService/Link",
        AUTHORIZE,
        "FeedbackService/LabelTransactions",
    } <= alpha.permits.methods
    assert not alpha.permits.allows("FeedbackService/ListLabels")
    assert alpha.permits.forbids(AUTHORIZE, "000001", "4009990000000000", "") is None
    assert alpha.permits.forbids(AUTHORIZE, "1", "4009990000000000", "")
    assert alpha.permits.forbids(AUTHORIZE, "123456", "4010000000000000", "")
    assert alpha.permits.forbids(AUTHORIZE, "123456", "", "card_")
    assert (alpha.rate, alpha.concurrency) == (100, 7)
    assert beta.permits.is_everything
    assert (beta.permits.acquirers, beta.permits.bins) == (EVERY_ACQUIRER, EVERY_BIN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1 to"),
        ("client = 3", "1 to"),
        ("client = [3]", "client 1: must be a table"),
        ("[[client]", "no TOML"),
        ("x = " + "[" * 5_000, "no TOML"),
        (ALL + "colour = 1", "client 1: colour: is none of identity"),
        ("colour = 1\n" + ALL, "colour is not known"),
        (ALL + ALL, "client 2: identity: beta.example is there twice"),
        (ALL.replace("beta.example", "two words"), "identity: must be a URI or DNS name"),
        (ALL.replace("beta.example", LOCAL), "identity: must be a URI or DNS name"),
        (ALL.replace("beta.example", "10.0.0.1"), "identity: must be a URI or DNS name"),
        (ALL.replace('"*"\nacq', '["Nothing"]\nacq'), "methods: 'Nothing' is none of AuthorizationService"),
        (ALL.replace('"*"\nacq', '["AuthorizationService/No"]\nacq'), "methods: 'AuthorizationService/No'"),
        (ALL.replace('["*"]', '["12x"]'), "acquirers: '12x' must be 1 to 11 digits"),
        (ALL.replace('["*"]', "[1]"), "acquirers: must be a list of texts"),
        (ALL.replace('bins = "*"', 'bins = ["123456789"]'), "bins: '123456789' must be 1 to 8 digits"),
        (ALL.replace('bins = "*"', 'bins = "4"'), "bins: must be a list of texts"),
        (ALL.replace("true", "1"), "tokens: must be true or false"),
        (ALL + "rate = 0", "rate: must be a number above 0"),
        (ALL + "rate = nan", "rate: must be a number above 0"),
        (ALL + "rate = true", "rate: must be a number above 0"),
        (ALL + "concurrency = 1.5", "concurrency: must be a whole number above 0"),
    ],
)  # fmt: skip
def test_a_file_that_can_not_be_believed_is_refused_by_client_and_key(text, said):
    """Every bad entry is named, and what is allowed."""
    with pytest.raises(ClientsUnreadable) as refused:
        read_clients(text, contract())
    assert said in str(refused.value)


def test_all_that_is_wrong_is_told_at_once():
    """Not only the first."""
    with pytest.raises(ClientsUnreadable) as refused:
        read_clients('[[client]]\nidentity = "a"\nrate = -1\nbins = ["x"]\n[[client]]\n', contract())
    assert all(
        text in str(refused.value) for text in ("client 1 (a): rate", "bins: 'x'", "client 2: identity")
    )


@settings(max_examples=200, deadline=None, database=None)
@given(
    st.text(max_size=200)
    | st.dictionaries(
        st.sampled_from(["identity", "methods", "acquirers", "bins", "tokens", "rate", "concurrency"]),
        st.sampled_from(['"a.example"', '"*"', '["*"]', "[]", "true", "1", "-1", "1e400", "inf", '["4", 4]', "{}", '["4-5"]']),
    ).map(lambda keys: "[[client]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))
)  # fmt: skip
def test_any_text_is_a_file_or_refused(text):
    """Nothing else comes of it."""
    try:
        assert read_clients(text, contract())
    except ClientsUnreadable:
        pass


def test_a_caller_is_who_his_certificate_names(tmp_path):
    """By URI or DNS name, whatever else it carries; the same Caller each time, with a sender of his own."""
    clients = Clients(written(tmp_path / "clients.toml", ONE + ALL))
    alpha = clients.of(Certificate(uris=[ALPHA.encode()], dns=[b"other.example"], emails=[b"a@b.c"]))
    assert alpha is clients.of(Certificate(uris=[ALPHA.encode()]))
    assert alpha.sender == sender_of(ALPHA) != sender_of(LOCAL)
    assert clients.of(Certificate(dns=[b"beta.example"])).name == "beta.example"


@pytest.mark.parametrize(
    ("certificate", "error"),
    [
        (Certificate(common_name=b"beta.example"), Unidentified),
        (Certificate(emails=[b"beta.example"]), Unidentified),
        (Certificate(dns=[b"gamma.example"]), NotPermitted),
        (Certificate(dns=[b"\xff\x00"]), NotPermitted),
        (Certificate(uris=[ALPHA.encode()], dns=[b"beta.example"]), NotPermitted),
    ],
)
def test_whoever_is_not_one_client_of_the_file_is_refused(tmp_path, certificate, error):
    """A subject or an e-mail address is nobody; two clients in one certificate are neither."""
    clients = Clients(written(tmp_path / "clients.toml", ONE + ALL))
    for _ in range(2):
        with pytest.raises(error):
            clients.of(certificate)


def test_a_change_of_the_file_holds_for_those_who_are_known_already(tmp_path):
    """A Caller that a link keeps has the new permits; one who is taken out has none, and comes back with what is said then."""
    path = written(tmp_path / "clients.toml", ONE + ALL)
    clients = Clients(path)
    alpha = clients.of(Certificate(uris=[ALPHA.encode()]))
    written(path, ONE.replace('"123456", ', ""))
    clients.look()
    assert alpha.permits.forbids(AUTHORIZE, "123456", "9999990000000014", "")
    with pytest.raises(NotPermitted):
        clients.of(Certificate(dns=[b"beta.example"]))
    written(path, ALL)
    clients.look()
    with pytest.raises(NotPermitted):
        alpha.require(AUTHORIZE)
    with pytest.raises(NotPermitted):
        clients.of(Certificate(uris=[ALPHA.encode()]))
    written(path, ONE)
    clients.look()
    assert clients.of(Certificate(uris=[ALPHA.encode()])) is alpha
    alpha.require(AUTHORIZE)


def test_a_file_that_became_unreadable_changes_nothing(tmp_path):
    """Those of before hold."""
    path = written(tmp_path / "clients.toml", ONE)
    clients = Clients(path)
    for change in (lambda: written(path, "rubbish"), path.unlink):
        change()
        clients.look()
        clients.of(Certificate(uris=[ALPHA.encode()])).require(AUTHORIZE)


def test_a_front_among_several_has_its_share(tmp_path):
    """Of rate and of concurrency."""
    clock_s = [0.0]
    clients = Clients(written(tmp_path / "clients.toml", ONE), share=0.5, clock_s=lambda: clock_s[0])
    alpha = clients.of(Certificate(uris=[ALPHA.encode()]))
    assert alpha.take(100) == 4  # of 7 at once
    alpha.done(4)
    clock_s[0] = 1.0
    assert sum(alpha.take(1) or 0 for _ in range(4)) == 4
    assert dict(clients.refused()) == {ALPHA: 96}


def test_without_certificates_everybody_is_local():
    """And may do everything; the call is not even looked at."""
    assert Everyone().of(None).name == LOCAL
    assert Everyone().of(None).permits.is_everything
