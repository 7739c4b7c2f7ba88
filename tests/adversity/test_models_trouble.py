"""Files of models replaced by rubbish, while a server runs and before one starts: it answers, scored or not, and says so."""

import os
import shutil

from scoring.registry import shipped
from server.fraud.oversight import MODELS
from tests.adversity.aftermath import assert_repeated, assert_sound
from tests.end_to_end.callers import calling, purchase
from tests.end_to_end.serving import NOWHERE, TRUSTED_FROM, fresh_home, serving

CARD = TRUSTED_FROM + 20
RUBBISH = {
    "cut": lambda data: data[: len(data) // 2],
    "noise": lambda data: os.urandom(len(data)),
    "empty": lambda _data: b"",
}


def spoil(home, how):
    """Replaces every file of every model of this home; how many there were."""
    files = [file for file in (home / MODELS).rglob("*") if file.is_file()]
    for file in files:
        fresh = file.with_name(file.name + ".new")
        fresh.write_bytes(RUBBISH[how](file.read_bytes()))
        fresh.replace(file)
    return len(files)


def approved(caller, answered, count=10):
    """Asks so often, each approved, and notes it; the models that decided."""
    requests = [purchase(CARD + k, 1) for k in range(count)]
    answers = [caller.authorize(request) for request in requests]
    assert {answer.response_code for answer in answers} == {"00"}
    answered += zip(requests, answers, strict=True)
    return {caller.explain(answer.authorization_id).model_version for answer in answers}


def test_server_answers_while_and_after_its_models_files_become_rubbish():
    """What is loaded goes on deciding; the next start answers too, and its log says what it could not read."""
    home, answered = fresh_home(), []
    with serving(home) as server, calling(server.target) as caller:
        before = approved(caller, answered)
        for how in RUBBISH:
            assert spoil(home, how) > 0
            assert approved(caller, answered) == before
        assert server.stop() == 0
    with (
        serving(home, environment={"HOLDFAST_DATABASE_URL": NOWHERE}) as server,
        calling(server.target) as caller,
    ):
        approved(caller, answered)
        assert_repeated(caller, answered)
        assert server.stop() == 0
        assert "Traceback" not in server.output
        assert any("model" in line for line in server.lines), server.output
    assert_sound(home, [answer for _, answer in answered])


def test_override_that_is_rubbish_answers_unscored_or_is_refused_by_name(tmp_path):
    """`HOLDFAST_MODEL` names a folder whose trees are cut: the server starts and says so."""
    folder = tmp_path / "model"
    shutil.copytree(shipped(), folder)
    trees = max(folder.iterdir(), key=lambda file: file.stat().st_size)
    trees.write_bytes(trees.read_bytes()[:-500])
    environment = {"HOLDFAST_DATABASE_URL": NOWHERE, "HOLDFAST_MODEL": str(folder)}
    with serving(fresh_home(), environment=environment) as server, calling(server.target) as caller:
        assert approved(caller, []) == {""}
        assert server.stop() == 0
        assert "Traceback" not in server.output
        assert str(folder) in server.output or "model" in server.output
