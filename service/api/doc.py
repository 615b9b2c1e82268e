"""What a route takes and gives, said once beside its handler: the OpenAPI document is made of it (openapi.py)."""

from typing import Any, Literal

import msgspec


class Doc(msgspec.Struct, frozen=True, kw_only=True):
    """`gives` is the type of the reply's body, `also` what else its status may be beside the errors all share."""

    gives: Any
    takes: Any = None
    optional_body: bool = False
    query: type[msgspec.Struct] | None = None
    status: int = 200
    also: tuple[int, ...] = ()
    if_match: Literal["required", "optional", ""] = ""
    idempotent: bool = True  # of a POST: whether it heeds Idempotency-Key
    signed_in: bool = True
    media_type: str = "application/json"
