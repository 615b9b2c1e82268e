"""A patient gets a copy of all that is kept, and is told who looked."""

from tests.service.api.conftest import Api
from tests.world import ADA, BEN, CLEO, EVE

PATH = "/clinics/riverside/patients/ada"


async def test_a_patient_is_told_who_looked_and_who_was_refused(api: Api) -> None:
    await api("GET", f"{PATH}/plans", BEN)
    await api("GET", PATH, CLEO)
    await api("GET", "/clinics/riverside/patients", BEN)
    items = (await api("GET", "/me/access?limit=3", ADA)).json()["items"]
    assert [it["text"] for it in items] == [
        "Ben, therapist, opened a list or numbers of the whole clinic, in which you may stand.",
        "Cleo, therapist, looked at your record.",
        "Ben, therapist, looked at your home program.",
    ]
    assert [it["of_everybody"] for it in items] == [True, False, False]


async def test_a_copy_holds_ones_own_record_and_is_not_given_without_end(api: Api) -> None:
    found = (await api("GET", "/me/export", ADA)).json()
    assert found["patient_id"] == "ada"
    assert found["records"]["needling_session"][0]["value"]["side"] == "left"
    assert "eve-phone" not in str(found["records"])
    for _ in range(9):
        assert (await api("GET", "/me/export", ADA)).status_code == 200
    assert (await api("GET", "/me/export", ADA)).status_code == 429
    assert (await api("GET", "/me/export", EVE)).status_code == 200


async def test_the_log_of_a_patient_is_for_who_runs_the_clinic(api: Api) -> None:
    for what in ("export", "access"):
        assert (await api("GET", f"{PATH}/{what}", BEN)).status_code == 403
