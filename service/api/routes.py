"""Every route of the API. A list is a list: what is not here is not served, documented or tested."""

from litestar.handlers import HTTPRouteHandler

from service.api import (
    adherence,
    agenda,
    break_glass,
    check_ins,
    choices,
    clinic,
    completions,
    devices,
    docs,
    enrolment,
    erasure,
    exercises,
    figures,
    flags,
    health,
    keys,
    messages,
    monitoring,
    needling_sessions,
    outcomes,
    patients,
    phases,
    phone,
    plans,
    programs,
    protocols,
    questions,
    rights,
    today,
    triage,
)

PREFIX = "/api/v1"

# Documented in this order.
SIGNED_IN: tuple[HTTPRouteHandler, ...] = (
    *clinic.ROUTES,
    *patients.ROUTES,
    *enrolment.ROUTES,
    *keys.ROUTES,
    *devices.ROUTES,
    *break_glass.ROUTES,
    *needling_sessions.ROUTES,
    *protocols.ROUTES,
    *programs.ROUTES,
    *plans.ROUTES,
    *phases.ROUTES,
    *exercises.ROUTES,
    *agenda.ROUTES,
    *messages.ROUTES,
    *adherence.ROUTES,
    *monitoring.ROUTES,
    *flags.ROUTES,
    *outcomes.ROUTES,
    *triage.ROUTES,
    *questions.ROUTES,
    *today.ROUTES,
    *check_ins.ROUTES,
    *completions.ROUTES,
    *phone.ROUTES,
    *choices.ROUTES,
    *rights.ROUTES,
    *erasure.ROUTES,
)
# For whoever has a code and no token yet.
ARRIVING: tuple[HTTPRouteHandler, ...] = enrolment.ARRIVING
OPEN: tuple[HTTPRouteHandler, ...] = (*health.ROUTES, *figures.ROUTES)
DOCS: tuple[HTTPRouteHandler, ...] = docs.ROUTES
