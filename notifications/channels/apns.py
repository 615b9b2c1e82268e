"""Push to the native app on Apple's devices (APNs, HTTP/2), through aioapns. It neither retries nor stores.

aioapns 4.0 frames and matches answers well; what it lacks is put right here, in `Line`. An answer that never comes ends
by our own timeout, and the connection is given up once the others on it have theirs.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, ClassVar, Self

import msgspec
from aioapns.common import NotificationRequest, NotificationResult, PushType
from aioapns.connection import APNsTLSClientProtocol, AuthorizationHeaderProvider
from aioapns.exceptions import ConnectionClosed
from h2.connection import H2Connection
from h2.events import Event, StreamEnded, StreamReset
from h2.exceptions import H2Error
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from notifications.channels import Accepted, Gone, Later, Outcome, Parcel, Refused, topic
from notifications.channels.addresses import ApnsAddress
from notifications.channels.replies import retry_after

PRODUCTION, SANDBOX = "api.push.apple.com", "api.sandbox.push.apple.com"
MINUTE = 60
# Apple refuses a token that is older than an hour, and a sender that makes one more often than every 20 minutes.
REUSED_FOR = 50 * MINUTE
IDLE = 5 * MINUTE
LONGEST_ID = 64
# About this token, or about a server set to the wrong app or environment, which must not cost all its addresses: so it
# is believed of the token only after another one was taken.
THIS_TOKEN_OR_US = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic"})
OUR_SETUP = frozenset({"BadTopic", "MissingTopic", "TopicDisallowed"})  # heals when the operator mends it, as any 403

logging.getLogger("hpack").setLevel(logging.INFO)  # below, it writes down every header, our own signature too


class ApnsSettings(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    """What Apple's developer pages give as AuthKey_<key id>.p8: a private key in PEM form."""
    key_id: str
    team_id: str
    topic: str
    """The bundle id of the app."""
    sandbox: bool = False
    """For builds of the app that were not installed from the App Store or TestFlight."""
    timeout: float = 10.0
    """Seconds for one message, from connecting to the answer."""
    host: str = ""
    port: int = 443
    trust: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        Tokens(self, lambda: 0.0).get_header()  # so that a key nobody takes is found at start

    def __repr__(self) -> str:
        return f"ApnsSettings({self.topic}, key {self.key_id}, {self.server})"

    @property
    def server(self) -> str:
        return self.host or (SANDBOX if self.sandbox else PRODUCTION)


class Apns:
    """One connection, kept while it is used: it carries a thousand messages at once. Make it inside a running loop."""

    kind: ClassVar[str] = "apns"
    Address: ClassVar[type[msgspec.Struct]] = ApnsAddress
    limit: ClassVar[int] = 50

    def __init__(self, settings: ApnsSettings, now: Callable[[], float]) -> None:
        """`now`: seconds since 1970."""
        self._settings = settings
        self._now = now
        self._tokens = Tokens(settings, now)
        self._trust = settings.trust or ssl.create_default_context()
        self._trust.set_alpn_protocols(["h2"])
        self._opening = asyncio.Lock()
        self._line: Line | None = None
        self._proven = False

    async def send(self, address: ApnsAddress, parcel: Parcel) -> Outcome:
        try:
            async with asyncio.timeout(self._settings.timeout):
                line = await self._connected()
                return self._outcome(await line.ask(request(address, parcel)), line)
        except TimeoutError:
            return Later(f"APNs did not answer within {self._settings.timeout:g} s")
        except (ConnectionClosed, H2Error, OSError) as trouble:  # its text may hold what was sent
            return Later(f"APNs: {type(trouble).__name__}")

    async def close(self) -> None:
        if self._line is not None:
            self._line.abort()
            await self._line.gone.wait()

    async def _connected(self) -> "Line":
        async with self._opening:
            if self._line is None or self._line.retired:
                it, loop = self._settings, asyncio.get_running_loop()
                made = await loop.create_connection(lambda: Line(it, self._tokens), it.server, it.port, ssl=self._trust)
                self._line = made[1]
            return await self._line.ready()

    def _outcome(self, answer: NotificationResult, line: "Line") -> Outcome:
        status, reason = str(answer.status), str(answer.description or "")
        detail = f"APNs answered {status} {reason if reason.isalnum() else ''}".rstrip()[:80]
        wait = line.asked_to_wait.pop(answer.notification_id, "")
        if status == "200":
            self._proven = True
            return Accepted(answer.notification_id)
        if status == "410":
            return Gone(detail, answer.timestamp if isinstance(answer.timestamp, int) else None)
        if status == "400" and reason in THIS_TOKEN_OR_US and self._proven:
            return Gone(detail)
        if status in {"403", "429", ""} or status >= "500" or reason in OUR_SETUP:
            return Later(detail, retry_after(wait, self._now()))
        return Refused(detail)


class Tokens(AuthorizationHeaderProvider):
    """The server's own signature, one for all connections: Apple counts how often it changes."""

    def __init__(self, settings: ApnsSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._kept: tuple[float, str] = 0.0, ""

    def get_header(self) -> str:
        signed_at, header = self._kept
        now = self._now()
        if not header or not signed_at <= now < signed_at + REUSED_FOR:  # also when the clock was set, either way
            header = f"bearer {self._sign(int(now))}"
            self._kept = now, header
        return header

    def _sign(self, now: int) -> str:
        claims = {"iss": self._settings.team_id, "iat": now}
        try:
            key = ECKey.import_key(self._settings.key)
            return str(jwt.encode({"alg": "ES256", "kid": self._settings.key_id}, claims, key))
        except (JoseError, ValueError, TypeError):  # the cause may quote the key, so it is not chained
            raise ValueError("APNs key: expected the text of the .p8 file, a private key of the curve P-256") from None


class Http(H2Connection):
    """A request that Apple broke off is at its end, without an answer: aioapns would wait for one."""

    def receive_data(self, data: Any) -> list[Event]:
        events = super().receive_data(data)
        return [StreamEnded(stream_id=it.stream_id) if isinstance(it, StreamReset) else it for it in events]


class Line(APNsTLSClientProtocol):
    """One connection. What aioapns leaves out: to wait until told how many requests may be sent at once, to say that
    an answer was read (else nothing more comes after 64 KiB of them), an answer without a body, Retry-After, one
    request given up without those beside it, and to forget a request that was answered."""

    INACTIVITY_TIME = IDLE

    def __init__(self, settings: ApnsSettings, tokens: Tokens) -> None:
        super().__init__(settings.topic, auth_provider=tokens)
        self.APNS_SERVER = settings.server
        self.conn = Http()
        self.settled = asyncio.Event()
        self.gone = asyncio.Event()
        self.retired = False
        """Takes no new request; closed when the last one has its answer."""
        self.asked_to_wait: dict[str, str] = {}

    async def ready(self) -> Self:
        """When Apple has said how many requests it takes at once: one, until it knows who asks."""
        try:
            await self.settled.wait()
        except BaseException:
            self.abort()
            raise
        if self.retired:
            raise ConnectionClosed
        return self

    def abort(self) -> None:
        """Without the goodbye of TLS, for which a peer that is silent would be waited for."""
        self.retired = True
        if self.transport is not None:
            self.transport.abort()

    async def ask(self, it: NotificationRequest) -> NotificationResult:
        try:
            return await self.send_notification(it)
        except BaseException:  # no answer: the place it takes on this connection is not given back
            self.retired = True
            raise
        finally:
            self.requests.pop(it.notification_id, None)
            if self.retired and not self.requests:
                self.close()

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception:  # what it cannot read ends the connection, and each request on it learns that
            self.close()

    def on_remote_settings_changed(self, changed_settings: Any) -> None:
        super().on_remote_settings_changed(changed_settings)
        self.settled.set()

    def on_response_received(self, headers: dict[bytes, bytes]) -> None:
        if wait := headers.get(b"retry-after"):
            self.asked_to_wait[headers.get(b"apns-id", b"").decode()] = wait.decode("ascii", "replace")
        super().on_response_received(headers)

    def on_data_received(self, raw_data: bytes, stream_id: int) -> None:
        self.conn.acknowledge_received_data(len(raw_data), stream_id)
        super().on_data_received(raw_data, stream_id)

    def on_stream_ended(self, stream_id: int) -> None:
        id = self.request_streams.pop(stream_id, "")
        status = self.request_statuses.pop(id, "")
        if (left := self.requests.pop(id, None)) is not None:
            left.set_result(NotificationResult(id, status))
        super().on_stream_ended(stream_id)

    def connection_lost(self, exc: Exception | None) -> None:
        self.retired = True
        self.settled.set()
        self.gone.set()
        super().connection_lost(exc)


def request(address: ApnsAddress, parcel: Parcel) -> NotificationRequest:
    """The id of the request is new each time, as one delivery may go to several devices; the collapse id is not."""
    id = parcel.delivery_id
    return NotificationRequest(
        device_token=address.token,
        message=payload(parcel),
        time_to_live=parcel.expires_in,
        priority=10 if parcel.urgency == "high" else 5,
        collapse_key=id if len(id) <= LONGEST_ID else topic(id),
        push_type=PushType.ALERT,
    )


def payload(parcel: Parcel) -> dict[str, Any]:
    """`mutable-content` wakes the app's own extension, which confirms that it was shown."""
    alert = {"title": parcel.title, "body": parcel.body}
    aps = {"alert": alert, "sound": "default", "mutable-content": 1}
    return {"aps": aps, "id": parcel.delivery_id, "path": parcel.path}
