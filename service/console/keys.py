"""The clinic's API keys on a page, for those who run it."""

from litestar import Response, get, post
from litestar.params import FromPath

from programs.errors import Conflict, Invalid
from service.access import VERBS
from service.auth import keys
from service.auth.keys import NewKey, Wanted
from service.console.doors import Here, clinician_here
from service.console.forms import PageRequest, Typed, a_number, typed
from service.console.pages import go, page
from service.errors import refused


@get("/clinic/keys")
async def show(request: PageRequest) -> Response[str]:
    return await _show(await clinician_here(request))


@post("/clinic/keys", status_code=200)
async def make(request: PageRequest) -> Response[str]:
    """The key is on the page this makes and nowhere else."""
    here = await clinician_here(request)
    it = await typed(request)
    try:
        wanted = Wanted(it["name"], it.all("verbs"), a_number(it["days"], "days"))
        made: NewKey = await here.db.write(keys.make_key, here.who, wanted, here.now)
    except (Invalid, Conflict) as error:
        return await _show(here, it=it, error=error)
    return await _show(here, made)


@post("/clinic/keys/{id:str}/end")
async def end(request: PageRequest, id: FromPath[str]) -> Response[str]:
    here = await clinician_here(request)
    await here.db.write(keys.end_key, here.who, id, here.now)
    return go("/clinic/keys")


async def _show(
    here: Here, made: NewKey | None = None, it: Typed | None = None, error: Invalid | Conflict | None = None
) -> Response[str]:
    found = await here.db.read(keys.keys_of, here.who.clinic, here.now)
    status = 200 if error is None else refused(error).kind.status
    return page("keys", status, here=here, keys=found, made=made, verbs=VERBS, typed=it or Typed(), error=error)


ROUTES = [show, make, end]
