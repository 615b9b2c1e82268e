"""Push to the native app on Android (Firebase Cloud Messaging, HTTP v1). It neither retries nor stores.

google-auth makes the server's token, in a thread of its own as it blocks; aiohttp sends. There are no batches: the
service takes one message a request.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar

import msgspec
import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from notifications.channels import Accepted, Gone, Later, Outcome, Parcel, Refused
from notifications.channels.addresses import FcmAddress
from notifications.channels.posting import Post, Reply

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
LONGEST_TTL = 28 * 24 * 3600
# What Firebase asks for where it says no time itself.
USUAL_WAIT = 60.0
# About this token, or about a server with another app's account, which must not cost all its addresses: so it is
# believed of the token only after another one was taken.
THIS_TOKEN_OR_US = frozenset({"SENDER_ID_MISMATCH", "INVALID_TOKEN"})


class FcmSettings(msgspec.Struct, frozen=True, kw_only=True):
    account: str
    """The JSON file of a service account that may send messages."""
    url: str = "https://fcm.googleapis.com"
    timeout: float = 10.0
    """Seconds for one message, with a new token where one is needed."""

    def __post_init__(self) -> None:
        credentials(self)

    def __repr__(self) -> str:
        return f"FcmSettings({credentials(self).project_id})"


class Fcm:
    """Make it inside a running loop: it opens a session."""

    kind: ClassVar[str] = "fcm"
    Address: ClassVar[type[msgspec.Struct]] = FcmAddress
    limit: ClassVar[int] = 50

    def __init__(self, settings: FcmSettings, now: Callable[[], float]) -> None:
        """`now`: seconds since 1970."""
        self._now = now
        self._tokens = Tokens(settings)
        self._url = f"{settings.url}/v1/projects/{self._tokens.project}/messages:send"
        self._timeout = settings.timeout
        self._post = Post("FCM", self.limit, settings.timeout)
        self._proven = False

    async def send(self, address: FcmAddress, parcel: Parcel) -> Outcome:
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._ask(payload(address, parcel))
        except TimeoutError:
            return Later(f"FCM did not answer within {self._timeout:g} s")
        except GoogleAuthError as trouble:  # its text may quote what was answered
            return Later(f"FCM gave no token: {type(trouble).__name__}")
        return reply if isinstance(reply, Later) else self._outcome(reply)

    async def close(self) -> None:
        self._tokens.close()
        await self._post.close()

    async def _ask(self, body: Any) -> Reply | Later:
        token = await self._tokens.get()
        reply = await self._post(self._url, body, f"Bearer {token}", self._now())
        if isinstance(reply, Reply) and reply.status == 401:  # taken back early: once more with a new one
            token = await self._tokens.another(token)
            reply = await self._post(self._url, body, f"Bearer {token}", self._now())
        return reply

    def _outcome(self, reply: Reply) -> Outcome:
        code = code_of(reply.said)
        detail = f"FCM answered {reply.status} {code}".rstrip()
        if reply.status == 200 and isinstance(reply.said, dict) and isinstance(reply.said.get("name"), str):
            self._proven = True
            return Accepted(reply.said["name"].rpartition("/")[2][:64])
        if code == "UNREGISTERED" or (code in THIS_TOKEN_OR_US and self._proven):
            return Gone(detail)
        if code not in THIS_TOKEN_OR_US and _may_work_later(reply.status):
            return Later(detail, USUAL_WAIT if reply.status == 429 and reply.after is None else reply.after)
        return Refused(detail)


def _may_work_later(status: int) -> bool:
    """401, 403 and 404 are then about our account, which the operator can mend; a 200 was no answer of FCM."""
    return status in {200, 401, 403, 404, 408, 429} or status >= 500


class Tokens:
    """The server's own token: good for an hour, asked for anew some minutes before its end, by one sender for all."""

    def __init__(self, settings: FcmSettings) -> None:
        self._credentials = credentials(settings)
        self.project = str(self._credentials.project_id)
        self._timeout = settings.timeout
        self._asking = asyncio.Lock()
        self._session = requests.Session()
        self._session.trust_env = False
        self._thread = ThreadPoolExecutor(1, "fcm-token")

    async def get(self) -> str:
        async with self._asking:
            if not self._credentials.valid:
                ask = partial(Request(self._session), timeout=self._timeout)
                await asyncio.get_running_loop().run_in_executor(self._thread, self._credentials.refresh, ask)
            return str(self._credentials.token)

    async def another(self, refused: str) -> str:
        """Of many that were refused the same one, the first asks and the others get what it got."""
        if self._credentials.token == refused:
            self._credentials.token = None
        return await self.get()

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._session.close()


def credentials(settings: FcmSettings) -> Any:
    try:
        make: Any = Credentials.from_service_account_info
        found = make(msgspec.json.decode(settings.account), scopes=[SCOPE])
    except (ValueError, TypeError, AttributeError, msgspec.DecodeError):  # may quote the key, so it is not chained
        found = None
    if found is None or not found.project_id:
        raise ValueError("FCM account: expected the JSON file of a service account, as Google's console gives it")
    return found


def payload(address: FcmAddress, parcel: Parcel) -> dict[str, Any]:
    """`collapse_key` replaces on the way, `tag` on the screen."""
    android = {
        "collapse_key": parcel.delivery_id,
        "priority": "HIGH" if parcel.urgency == "high" else "NORMAL",
        "ttl": f"{min(parcel.expires_in, LONGEST_TTL)}s",
        "notification": {"tag": parcel.delivery_id},
    }
    shown = {"title": parcel.title, "body": parcel.body}
    data = {"id": parcel.delivery_id, "path": parcel.path}
    return {"message": {"token": address.token, "notification": shown, "data": data, "android": android}}


def code_of(said: Any) -> str:
    """FCM's own code of what went wrong. INVALID_TOKEN is ours: of what it calls invalid, the address.

    A token it cannot read and a field of ours it does not like have one code; only the field it names, or where it
    names none the wording, tells them apart.
    """
    try:
        error = msgspec.convert(said, Failure).error
    except msgspec.ValidationError:
        return ""
    code = next((it.errorCode for it in error.details if it.errorCode), error.status)
    fields = [it.field for detail in error.details for it in detail.fieldViolations]
    if code == "INVALID_ARGUMENT" and ("message.token" in fields or (not fields and "token" in error.message)):
        return "INVALID_TOKEN"
    return code if code.replace("_", "").isalnum() and len(code) <= 40 else ""


class Violation(msgspec.Struct):
    field: str = ""


class Detail(msgspec.Struct):
    errorCode: str = ""
    fieldViolations: list[Violation] = []


class Error(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: list[Detail] = []


class Failure(msgspec.Struct):
    error: Error
