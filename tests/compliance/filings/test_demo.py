"""The demo's stories: they become a SAR and a CTR that validate."""

import shlex

from compliance.filings.content import Form
from compliance.filings.lacks import bank_lacks
from compliance.filings.validation import validate
from holdfast.v1 import transfers_pb2 as pb
from server.front.asking import asked
from server.office.demo import ANALYST, ensure_profiles, put_bank, stories
from server.office.filer import bank_of
from server.office.identity import actor_here
from server.office.settings import OfficeSettings
from tests.compliance.filings.house import ANNA, MONDAY, OLAF, OTTO, finding, house
from tests.compliance.filings.samples import CTR, schema_path


def test_the_demo_tells_a_sar_and_a_ctr_that_validate(database_url, keys, tmp_path, run):
    """Its requests are taken as they are; profiles are given once; both reports lack nothing but what nobody knows."""

    async def scenario():
        async with house(database_url, keys, tmp_path) as scene:
            await scene.execute("DELETE FROM customer_profiles")
            await ensure_profiles(scene.database, keys, MONDAY)
            await ensure_profiles(scene.database, keys, MONDAY)
            assert len(await scene.fetch("SELECT 1 FROM customer_profiles")) == 2
            told = [asked(pb.CreateTransferRequest(**fields)) for fields in stories()]
            made = [
                await scene.cash(
                    each.amount_minor,
                    account=each.account_number,
                    conductor=each.details.conductor,
                    branch=each.details.branch,
                )
                for each in told
            ]
            suspicious = await scene.case(
                made[3], duties=("sar",), findings=[finding("structuring", made[:4])]
            )
            large = await scene.case(made[4], duties=("ctr",))
            files = []
            for case, form, schema in ((suspicious, Form.SAR, "SAR"), (large, Form.CTR, "CTR")):
                scene.schemas.install(schema_path(schema))
                filing = await scene.desk.prepare(case, form, ANNA)
                assert all(each.may_be_unknown for each in scene.desk.missing(filing))
                await scene.desk.approve(filing.id, OLAF, accept_unknown=True)
                files += (await scene.dispatch.export(form, tmp_path / "out", OTTO)).files
            return [validate(path.read_bytes(), scene.schemas) for path in files]

    assert run(scenario()) == [("SARX", []), ("CTRX", [])]
    assert len({fields["idempotency_key"] for fields in stories()}) == 5


def test_the_demos_bank_lacks_nothing_when_a_shell_has_read_it(tmp_path, monkeypatch):
    """Branches of the stories are known, an analyst acts; what somebody changed in the file stays."""
    path = put_bank(tmp_path)
    for line in path.read_text("utf-8").splitlines()[1:]:
        word, assigned = shlex.split(line)
        assert word == "export"
        monkeypatch.setenv(*assigned.split("=", 1))
    settings = OfficeSettings()
    bank = bank_of(settings)
    assert bank_lacks(bank, CTR) == []
    assert {fields["branch"] for fields in stories()} <= set(bank.branches)
    assert actor_here(settings).name == ANALYST
    path.write_text("changed", "utf-8")
    assert put_bank(tmp_path).read_text("utf-8") == "changed"
