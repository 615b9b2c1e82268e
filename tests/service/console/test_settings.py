"""What a clinic decides for itself is changed by those who run it, and holds for the next request."""

import re

from sqlalchemy import Connection

from programs import people
from service.care import Who
from service.database import Database
from tests.service.console.conftest import Browser
from tests.service.console.reader import Reader
from tests.world import BEN, CLINIC, DOV, let_in

ANA = Who(CLINIC, "admin", "ana", sees_all=True)
PAGE = "/clinic/settings"


def shown(text: str) -> dict[str, str]:
    lists = re.findall(r'<select id="\w+" name="(\w+)">.*?value="(\w+)" selected', text, re.DOTALL)
    return {**dict(lists), **Reader(text).form(PAGE).fields}


async def test_the_settings_are_those_of_whoever_runs_the_clinic(world: Database, browser: Browser) -> None:
    def arrive(db: Connection) -> None:
        people.add_clinician(db, CLINIC, ANA.id, "Ana", "admin")
        let_in(db, ANA)

    await world.write(arrive)
    ana = browser(ANA)
    assert f'href="{PAGE}"' in (await ana.get("/clinic")).text
    standing = {"clinicians_see_all": "yes", "link_factor": "spoken", "minutes_a_day": "30"}
    assert shown((await ana.get(PAGE)).text) == standing
    wrong = await ana.post(PAGE, data={**standing, "minutes_a_day": "3000"})
    assert (wrong.status_code, "Must be from 5 to 240" in wrong.text) == (422, True)
    chosen = {"clinicians_see_all": "no", "link_factor": "birth_year", "minutes_a_day": "25"}
    assert shown((await ana.post(PAGE, data=chosen)).text) == chosen
    assert "birth_year" in (await browser(BEN).get("/clinic/patients/ada/phones")).text
    assert (await browser(BEN).get("/clinic")).text.count(PAGE) == 0
    assert [(await browser(who).post(PAGE, data=chosen)).status_code for who in (BEN, DOV)] == [403, 403]


async def test_somebody_who_was_never_invited_is_told_so(world: Database, browser: Browser) -> None:
    assert "never invited" in (await browser(BEN).get("/account")).text
