"""What a server decided, decided again from what its home keeps."""

import json
import time

from typer.testing import CliRunner

from server.cli import app
from server.store.portfolio import demo_pan
from tests.end_to_end import callers, serving


def typed(home, *words):
    """The command line on this home; the JSON document that it prints."""
    done = CliRunner().invoke(app, [*map(str, words), "--home", str(home), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def shipped(home, count, *words):
    """What a backtest tells once PostgreSQL has so many payments."""
    until_s = time.monotonic() + serving.END_TIMEOUT_S
    while True:
        done = CliRunner().invoke(app, ["backtest", *map(str, words), "--home", str(home), "--json"])
        told = json.loads(done.stdout) if done.exit_code == 0 else {"payments": {"count": 0}}
        if told["payments"]["count"] == count:
            return told
        assert time.monotonic() < until_s, done.output


def test_a_home_s_decisions_are_decided_again_as_they_were_and_by_other_limits(tmp_path):
    """With the limits in force every answer is what it was; lifting one approves what it had refused, and no more."""
    home = serving.fresh_home()
    first, second = serving.TRUSTED_FROM, serving.TRUSTED_FROM + 1
    numbers = [
        typed(home, "limits", "set", "--card", demo_pan(card), *words.split())["card_number"]
        for card, words in (
            (first, "--measure count --window 1h --ceiling 3"),
            (second, "--measure amount --window day --ceiling 50"),
        )
    ]
    lifted = tmp_path / "lifted.toml"
    lifted.write_text(
        f'keep = true\n[[limit]]\ncard = {numbers[0]}\nmeasure = "count"\nwindow = "1h"\nceiling = "none"\n',
        encoding="utf-8",
    )
    with serving.serving(home) as server:
        with callers.calling(server.target) as caller:
            spent = [caller.authorize(callers.purchase(first, 1_000)) for _ in range(5)]
            caller.reverse(callers.reversal(authorization_id=spent[0].authorization_id))
            spent.append(caller.authorize(callers.purchase(first, 1_100)))
            spent += [caller.authorize(callers.purchase(second, 2_000)) for _ in range(4)]
        codes = [answer.response_code for answer in spent]
        told = shipped(home, len(spent), "--programme", "trusted", "--limits", lifted)
        assert server.stop() == 0, server.output
    assert codes == ["00"] * 3 + ["65"] * 2 + ["00"] + ["00"] * 2 + ["61"] * 2
    assert (told["history"], told["currency"], told["is_labelled"]) == ("this home", "USD", False)
    assert {name: figures["count"] for name, figures in told["before"].items() if figures["count"]} == {
        "approved": codes.count("00"),
        "limit_frequency": codes.count("65"),
        "limit_amount": codes.count("61"),
    }
    assert told["gained"] == {"count": 2, "amount_minor": 2_000}
    assert told["lost"]["count"] == 0
    assert {example["id"] for example in told["examples"]["gained"]} == {
        answer.authorization_id for answer in spent[3:5]
    }
