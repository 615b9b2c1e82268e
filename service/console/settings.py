"""What a clinic decides for itself, on a page for those who run it. Rules and who is told of flags are in rules.py."""

from litestar import Response, get, post

from programs.errors import Invalid
from programs.people import LEAST_MINUTES, LINK_FACTORS, MOST_MINUTES
from service import care
from service.console.doors import Here, clinician_here
from service.console.forms import PageRequest, Typed, a_number, one_of, typed
from service.console.pages import go, page

PATH = "/clinic/settings"


@get(PATH)
async def show(request: PageRequest) -> Response[str]:
    return _page(await clinician_here(request))


@post(PATH)
async def change(request: PageRequest) -> Response[str]:
    here, form = await clinician_here(request), await typed(request)
    try:
        await here.db.write(care.change_settings, here.who, _settings_from(form), here.now)
    except Invalid as error:
        return _page(here, form, error)
    return go(PATH)


def _settings_from(it: Typed) -> dict[str, object]:
    minutes = a_number(it["minutes_a_day"], "minutes_a_day")
    if minutes is None or not LEAST_MINUTES <= minutes <= MOST_MINUTES:
        raise Invalid("minutes_a_day", f"must be from {LEAST_MINUTES} to {MOST_MINUTES}")
    return {
        "clinicians_see_all": one_of(("yes", "no"), it["clinicians_see_all"], "clinicians_see_all") == "yes",
        "link_factor": one_of(LINK_FACTORS, it["link_factor"], "link_factor"),
        "minutes_a_day": minutes,
    }


def _page(here: Here, form: Typed | None = None, error: Invalid | None = None) -> Response[str]:
    it = here.clinic.settings
    standing = Typed(
        {
            "clinicians_see_all": ["yes" if it.clinicians_see_all else "no"],
            "link_factor": [it.link_factor],
            "minutes_a_day": [str(it.minutes_a_day)],
        }
    )
    return page("settings", 422 if error else 200, here=here, form=form or standing, error=error)


ROUTES = [show, change]
