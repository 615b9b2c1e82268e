"""Every route of the API. A list is a list: what is not here is not served, documented or tested."""

from litestar.handlers import HTTPRouteHandler

from service.api import (
    adherence,
    agenda,
    check_ins,
    clinic,
    completions,
    docs,
    flags,
    health,
    needling_sessions,
    patients,
    phone,
    plans,
    questions,
    today,
)

PREFIX = "/api/v1"

# Documented in this order.
SIGNED_IN: tuple[HTTPRouteHandler, ...] = (
    *clinic.ROUTES,
    *patients.ROUTES,
    *needling_sessions.ROUTES,
    *plans.ROUTES,
    *agenda.ROUTES,
    *adherence.ROUTES,
    *flags.ROUTES,
    *questions.ROUTES,
    *today.ROUTES,
    *check_ins.ROUTES,
    *completions.ROUTES,
    *phone.ROUTES,
)
OPEN: tuple[HTTPRouteHandler, ...] = health.ROUTES
DOCS: tuple[HTTPRouteHandler, ...] = docs.ROUTES
