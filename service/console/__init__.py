"""The pages: a patient's today, a clinician's list and patients, the clinic's adherence. They ask service/, never HTTP.

The application gives them its desk (`app.state.desk`, see api/call.py) and adds ROUTES.
"""

from pathlib import Path

from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router

from service.console import (
    account,
    activities,
    adherence,
    clinic,
    colleagues,
    doors,
    emergency,
    entries,
    joining,
    keys,
    links,
    messages,
    monitoring,
    own_record,
    phones,
    profile,
    programs,
    record,
    rules,
    settings,
    sign_in,
    today,
)

ROUTES = [
    Router(
        "/",
        route_handlers=[
            doors.home,
            *(sign_in.ROUTES + joining.ROUTES + account.ROUTES + colleagues.ROUTES),
            *links.ROUTES,
            *messages.ROUTES,
            *(today.ROUTES + activities.ROUTES + clinic.ROUTES + rules.ROUTES + emergency.ROUTES + profile.ROUTES),
            *(record.ROUTES + own_record.ROUTES + settings.ROUTES),
            *(entries.ROUTES + adherence.ROUTES + monitoring.ROUTES + phones.ROUTES + keys.ROUTES + programs.ROUTES),
        ],
        before_request=doors.same_site,
        exception_handlers=doors.REFUSALS,
        include_in_schema=False,
    ),
    Router("/", route_handlers=[*links.UNSIGNED], exception_handlers=doors.REFUSALS, include_in_schema=False),
    create_static_files_router(
        "/console",
        [Path(__file__).parent / "static"],
        name="console",
        cache_control=CacheControlHeader(no_cache=True),
    ),
]
