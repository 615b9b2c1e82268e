"""A new password is refused where a guess would find it, and taken whatever its letters are where none would."""

from hashlib import sha1
from pathlib import Path

import pytest
from argon2 import Parameters, Type
from argon2.profiles import RFC_9106_LOW_MEMORY

from programs.errors import Invalid
from service.auth import passwords
from service.auth.passwords import LONGEST, Passwords, Stolen, check

NAMES = ("Ben Okafor", "ben.okafor@riverside.example", "Riverside Physical Therapy")

GUESSED = (
    "password1234",
    "P@ssw0rd2026!",
    "Passwort!2025!!",
    "Summer2026!!!",
    "welcome-to-homestretch",
    "qwertyuiop12",
    "asdfghjkl;'123",
    "1qaz2wsx3edc4rfv",
    "qazwsxedcrfv",
    "123456789012",
    "098765432109",
    "abcdefghijklmnop",
    "aaaaaaaaaaaaaaaa",
    "abcabcabcabcabc",
    "correct horse battery staple",
    "ilovemonkey2024",
    "Riverside-2026!",
    "ben.okafor.1984",
    "BenRiverside#1",
    "dryneedling-clinic",
    "            ",
)
GOOD = (
    "quiet otters mend bicycles",
    "rhubarb lantern oboe",
    "xK9#mQ2$vL7p",
    "kuidas sa täna elad",
    "針と糸と窓と夕焼けの歌声",
    "vier blaue Giraffen",
    "gravel-piano-tundra-88",
)


@pytest.mark.parametrize("password", GUESSED)
def test_what_would_be_guessed_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(password, NAMES)
    assert refused.value.field == "password"
    assert password not in str(refused.value.person)


@pytest.mark.parametrize("password", GOOD)
def test_what_would_not_is_taken_whatever_its_letters(password: str) -> None:
    check(password, NAMES)


def test_it_has_at_least_twelve_characters_and_may_have_many() -> None:
    for password, problem in (("rhubarb obo", "fewer than 12"), ("xK9#mQ2$vL7p" * 30, "more than 256")):
        with pytest.raises(Invalid, match=problem):
            check(password, NAMES)
    check("quiet otters mend bicycles; " * 9)
    assert LONGEST >= 128


async def test_a_letter_written_as_one_or_two_characters_is_the_same_password() -> None:
    it = Passwords(cost=CHEAP)
    kept = await it.hash("crème brûlée à volonté")
    assert await it.fits(kept, "crème brûlée à volonté")
    assert not await it.fits(kept, "creme brulee a volonte")
    assert not await it.fits(None, "crème brûlée à volonté")
    assert not await it.fits("no hash at all", "crème brûlée à volonté")


def test_it_is_kept_as_rfc_9106_says() -> None:
    cost = passwords.COST
    assert cost == RFC_9106_LOW_MEMORY
    assert (cost.memory_cost, cost.time_cost, cost.parallelism) == (65_536, 3, 4)
    assert passwords._nobodys(cost).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


CHEAP = Parameters(Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def stolen(tmp_path: Path) -> Path:
    """A thousand of them, in order, as they are given out; every one of GOOD but the first is among them."""
    words = [*GOOD[1:], *(f"stolen number {number}" for number in range(1_000))]
    hashes = sorted(sha1(word.encode(), usedforsecurity=False).hexdigest().upper() for word in words)
    path = tmp_path / "stolen.txt"
    path.write_text("".join(f"{it}:{number + 1}\r\n" for number, it in enumerate(hashes)))
    return path


async def test_what_was_stolen_elsewhere_is_refused(stolen: Path) -> None:
    it = Passwords(Stolen(stolen), CHEAP)
    for password in (*GOOD[1:], *(f"stolen number {number}" for number in range(0, 1_000, 37))):
        with pytest.raises(Invalid, match="stolen passwords"):
            await it.check(password, NAMES)
    await it.check(GOOD[0], NAMES)
    for number in range(1_000, 1_100):
        await it.check(f"stolen number {number}", NAMES)


def test_a_list_that_cannot_be_searched_is_said_at_start(tmp_path: Path) -> None:
    wrong = tmp_path / "words.txt"
    wrong.write_text("password\n123456\n")
    with pytest.raises(ValueError, match="SHA-1"):
        Stolen(wrong)
    with pytest.raises(OSError, match="No such file"):
        Stolen(tmp_path / "nothing")
