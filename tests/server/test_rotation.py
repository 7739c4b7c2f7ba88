"""The PAN key rotates: both keys are good, cards move when they are seen, and a repeat stays one."""

import asyncio
import stat
import time

import numpy as np
import pytest

from server.core.record import NO_ROW, REQUEST, CardReference
from server.front.card_keys import CardKeys
from server.front.frames import FrameDecoder
from server.front.reading import Reader
from server.keys import AHEAD_S, Keys, KeysError, PanKey
from server.store.database import Database
from server.store.pan_keys import PanKeys, Renewals
from server.store.portfolio import Portfolio, demo_pan
from server.store.postgres import StoreError
from tests.server.core.scene import cards, directory, purchase, records
from tests.server.front.test_frames import SENDER, frame_of, ordinary
from tests.server.store.conftest import run

__all__ = ["run"]


def rotated(home):
    """The keys of a home before and after a rotation."""
    before = Keys.open(home)
    pan_key = PanKey(home)
    pan_key.put(PanKey.draw())
    assert pan_key.take_in()
    return before, Keys.open(home)


def pairs(keys, pans):
    """What a front says of these numbers, as the directory takes it."""
    joined = b"".join(keys.renewal(pan.encode()) for pan in pans)
    return np.frombuffer(bytearray(joined), "<u8").reshape(-1, 4)


def found(known, key_of, pans):
    """The rows that these numbers lead to by one key."""
    requests = np.concatenate([purchase()] * len(pans))
    requests["card_reference"] = CardReference.PAN
    requests["card_key"] = [key_of(pan) for pan in pans]
    return known.find(records(requests)).tolist()


def test_a_new_key_is_good_from_the_next_start_on_and_the_one_before_stays(tmp_path):
    """Private files; until it is taken in nothing changes, and only one waits."""
    before = Keys.open(tmp_path)
    pan_key = PanKey(tmp_path)
    pan_key.put(PanKey.draw())
    with pytest.raises(KeysError, match="waits already"):
        pan_key.put(PanKey.draw())
    assert Keys.open(tmp_path).fingerprints == (before.fingerprint,)
    assert pan_key.take_in() and not pan_key.take_in()
    after = Keys.open(tmp_path)
    assert after.fingerprint != before.fingerprint and after.fingerprints[1:] == (before.fingerprint,)
    assert after.pan_hashes("4000000000000002") == [
        after.pan_hash("4000000000000002"),
        before.pan_hash("4000000000000002"),
    ]
    assert abs(after.since_s - time.time() - AHEAD_S) < 60
    assert repr(after) == "Keys()"
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "keys").iterdir()} == {0o600}
    pan_key.retire()
    assert Keys.open(tmp_path).fingerprints == (after.fingerprint,)


def test_a_start_that_was_killed_while_it_took_a_key_in_is_done_again(tmp_path):
    """The previous key is written, and the new one not yet in its place: the next start ends as this one would have."""
    before = Keys.open(tmp_path)
    secret = PanKey.draw()
    PanKey(tmp_path).put(secret)
    folder = tmp_path / "keys"
    (folder / "pan.previous.key").write_bytes(before.pan[:7])
    assert PanKey(tmp_path).take_in()
    after = Keys.open(tmp_path)
    assert (after.pan, after.previous_pan) == (secret, before.pan)


def test_keys_are_refused_when_nothing_says_since_when_the_new_one_is_good(tmp_path):
    """A repeat could not be told from another message."""
    rotated(tmp_path)
    (tmp_path / "keys/pan.since").unlink()
    with pytest.raises(KeysError, match=r"pan\.since"):
        Keys.open(tmp_path)


@pytest.mark.parametrize("sent_s", [-1, 0])
def test_a_message_says_the_same_before_and_after_a_rotation_when_it_was_sent_before(tmp_path, sent_s):
    """Kernel and reader alike; the card's key is today's, and the pair comes before the record."""
    before, after = rotated(tmp_path)
    request = ordinary()
    request.key.transmission_time.seconds = after.since_s + sent_s

    def clock_ns():
        return after.since_s * 1_000_000_000

    contents = []
    for keys in (before, after):
        told = []
        card_keys = CardKeys(keys, told.append)
        decoder = FrameDecoder(
            card_keys.key, keys.identifier_key, clock_ns, message_time=False, said_key=card_keys.said_key
        )
        (decoded,) = decoder.decode(frame_of(request), SENDER).records
        read = Reader(keys, clock_ns, message_time=False, card_keys=card_keys).authorize(request, SENDER)
        assert decoded == read
        record = np.frombuffer(read, REQUEST)[0]
        assert tuple(map(int, record["card_key"])) == keys.pan_key(request.pan)
        assert told == ([] if keys is before else [keys.renewal(request.pan.encode())] * 2)
        contents.append(record["content"].tolist())
    assert (contents[0] == contents[1]) == (sent_s < 0)


def test_cards_move_to_the_new_key_when_they_are_seen(tmp_path):
    """Each once, found by the new key at once and by the old one no more; who is unknown stays so, however many move."""
    before, after = rotated(tmp_path)
    pans = [demo_pan(number) for number in range(3_000)]
    known = cards(len(pans))
    known["pan_key"] = before.pan_keys(pans)
    stood = directory(known)
    assert found(stood, after.pan_key, pans[:2]) == [NO_ROW] * 2
    rows, moved = stood.renew(pairs(after, [pans[7], demo_pan(9_999), pans[3], pans[7]]))
    assert (rows.tolist(), moved.tolist()) == ([7, 3, 7], [True, True, False])
    assert found(stood, after.pan_key, [pans[7], pans[3], pans[4]]) == [7, 3, NO_ROW]
    assert found(stood, before.pan_key, [pans[7], pans[3], pans[4]]) == [NO_ROW, NO_ROW, 4]
    for first in range(0, len(pans), 100):
        stood.renew(pairs(after, pans[first : first + 100]))
    assert found(stood, after.pan_key, pans) == list(range(len(pans)))
    assert found(stood, before.pan_key, pans) == [NO_ROW] * len(pans)
    assert sorted(set(stood.take_changed().tolist())) == list(range(len(pans)))


def test_cards_that_moved_move_in_postgresql_and_the_previous_key_retires_when_none_is_left(
    run, database_url, tmp_path, monkeypatch
):
    """Portfolio and database take both keys; one more card holds the previous key, and is counted."""
    monkeypatch.setattr("server.store.pan_keys.FLUSH_S", 0.01)
    before = Keys.open(tmp_path)

    async def told(renewals, database, left):
        task = asyncio.ensure_future(renewals.run())
        while not task.done() and (await PanKeys(database).cards()).get(before.fingerprint, 0) > left:
            await asyncio.wait([task], timeout=0.02)
        task.cancel()
        await asyncio.wait([task])

    async def body():
        async with Database(database_url) as database:
            await database.belongs_to(before)
            await Portfolio(database, before).ensure_demo(5)
            _, after = rotated(tmp_path)
            await database.belongs_to(after)
            await database.belongs_to(after)
            assert await Portfolio(database, after).ensure_demo(6) == 1
            assert await PanKeys(database).cards() == {before.fingerprint: 5, after.fingerprint: 1}
            known = cards(6)
            pans = [demo_pan(number) for number in range(6)]
            known["pan_key"] = [
                *(before.pan_key(pan) for pan in pans[:5]),
                after.pan_key(pans[5]),
            ]
            stood = directory(known)
            renewals = Renewals(database, stood, after.fingerprint)
            renewals.note(*stood.renew(pairs(after, pans[1:])))
            await told(renewals, database, 1)
            assert await PanKeys(database).cards() == {before.fingerprint: 1, after.fingerprint: 5}
            with pytest.raises(StoreError, match="1 cards stand under the previous"):
                await PanKeys(database).retire(before.fingerprint, "ada", lambda: None)
            renewals.note(*stood.renew(pairs(after, pans[:1])))
            await told(renewals, database, 0)
            retired = []
            await PanKeys(database).retire(before.fingerprint, "ada", lambda: retired.append(True))
            async with database.acquire() as connection:
                hashes = await connection.fetch("SELECT pan_hash FROM cards ORDER BY number")
                assert [row["pan_hash"] for row in hashes] == [after.pan_hash(pan) for pan in pans]
                assert await connection.fetchval("SELECT retired_by FROM pan_keys") == "ada"
            assert retired == [True]

    run(body())
