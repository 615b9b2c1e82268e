"""What each channel on the list promises, held by its far side; and what leaves by it: fixed words and an opaque id."""

import re
from pathlib import Path

import pytest

from notifications import alerts
from notifications.channels import FORMS, Accepted, Channel, Parcel, topic
from notifications.channels.sending import CHANNELS
from notifications.wording import LANGUAGES, SENTENCES, words
from notifications.wording.letters import LETTERS, letter
from tests.notifications.channels.conftest import PUBLIC_URL
from tests.notifications.channels.far_sides import FAR_SIDES

KINDS = [frozenset(it.split("+")) for it in SENTENCES["en"]]
OPAQUE = "0198c2f4-7a00-7000-8000-00000000000"
SAME = Path(__file__).parent / "on_the_wire"


def test_every_channel_has_a_far_side_to_prove_itself_against() -> None:
    assert list(FAR_SIDES) == [channel.kind for channel in CHANNELS]


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda it: it.kind)
async def test_a_delivery_handed_over_twice_is_shown_as_often_as_promised(
    channel: type[Channel], parcel: Parcel
) -> None:
    form = FORMS[channel.kind]
    async with FAR_SIDES[channel.kind]() as far:
        for _ in range(2):
            assert isinstance(await far.channel.send(far.address, parcel), Accepted)
        assert len(far.wire()) == (1 if form.idempotent else 2)
        assert far.shown() == (1 if form.collapses or form.idempotent else 2)
        await far.channel.close()


def worded(kinds: frozenset[str], language: str, number: int) -> Parcel:
    said, id = words(kinds, language), f"{OPAQUE}{number}"
    paths = {"alert": alerts.PATHS["alert:"], "escalation": alerts.PATHS["alert:"], "access": alerts.PATHS["access:"]}
    path = next((paths[kind] for kind in kinds if kind in paths), f"/open/{id}")
    return Parcel(id, said.title, said.body, path, "normal" if kinds == {"bout"} else "high", 3600, language)


def bare(wire: str, it: Parcel) -> str:
    """What is left when everything that may vary is taken out."""
    says = letter(it.language)
    known = {
        it.body: "BODY",
        it.link(PUBLIC_URL): "LINK",
        it.path: "PATH",
        it.delivery_id: "ID",
        topic(it.delivery_id): "TOPIC",
        says.open: "OPEN",
        says.stop: "STOP",
    }
    for text, name in known.items():
        wire = wire.replace(text, name).replace(text.replace("'", "&#x27;"), name)
    wire = re.sub(rf'(?i)(lang(uage)?["=: ]+){it.language}\b', r"\1LANGUAGE", wire)
    urgent = r'(?i)\b(high|normal)\b|(?<=alert )\b(5|10)\b|(?<="priority": )[34]\b'
    return re.sub(urgent, "URGENCY", wire)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda it: it.kind)
async def test_nothing_leaves_but_fixed_words_and_an_opaque_id(channel: type[Channel]) -> None:
    """Whatever it is about and whoever it is for: without sentence, link, id and urgency all are the same bytes."""
    sent = [worded(kinds, language, n) for kinds in KINDS for language in LANGUAGES for n in (1, 2)]
    async with FAR_SIDES[channel.kind]() as far:
        for it in sent:
            assert isinstance(await far.channel.send(far.address, it), Accepted)
        left = {bare(wire, it) for wire, it in zip(far.wire(), sent, strict=True)}
        assert all(re.search(r"\bID\b|\bLINK\b", it) for it in left)
        left = {it.replace("PATH", "LINK").replace("/open/ID", "LINK") for it in left}
        await far.channel.close()
    assert left == {(SAME / f"{channel.kind}.txt").read_text()}


def test_every_language_has_the_words_of_a_letter() -> None:
    assert list(LETTERS) == list(LANGUAGES)
