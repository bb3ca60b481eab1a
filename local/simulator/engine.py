"""The simulator without its sockets: from a parsed request to an answer, through script, keys, plans and world."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from local.simulator.clock import Clock
from local.simulator.coin_world import CoinWorld
from local.simulator.coingecko_charts import CoinView
from local.simulator.coingecko_routes import answer_coingecko
from local.simulator.faults import Fault, FaultScript, changed, delivery, replacement
from local.simulator.gate import Credential, admit, read_credential
from local.simulator.journal import Entry, Journal
from local.simulator.listings import UNIVERSE, load_universe
from local.simulator.massive_days import DayView
from local.simulator.massive_routes import answer_massive
from local.simulator.messages import Refused, Request, Response, Vendor, bad_parameter, dump
from local.simulator.plans import Keyring, Plan
from local.simulator.replay import Replay
from local.simulator.stocks import StockWorld
from local.simulator.trading_days import midnights
from local.simulator.wire import Delivery, Head, encode

PREFIXES: tuple[tuple[str, Vendor], ...] = (
    ("/massive", "massive"),
    ("/coingecko-pro/api/v3", "coingecko-pro"),
    ("/coingecko/api/v3", "coingecko"),
    ("/admin", "admin"),
)


@dataclass(slots=True)
class Options:
    """How a simulator is started."""

    seed: int = 1
    universe: Path = UNIVERSE
    extra_stocks: int = 0
    extra_coins: int = 0
    now: datetime | None = None
    replay: tuple[Path, ...] = ()


@dataclass(slots=True)
class Answer:
    """The bytes to send and how to send them."""

    head: bytes
    body: bytes
    delivery: Delivery | None
    entry: Entry


class Engine:
    """One simulated world with its vendors."""

    def __init__(self, options: Options) -> None:
        self.options = options
        universe = load_universe(
            options.universe,
            seed=options.seed,
            extra_stocks=options.extra_stocks,
            extra_coins=options.extra_coins,
        )
        self.stocks = StockWorld(universe)
        self.coins = CoinWorld(universe)
        self.clock = Clock()
        self.keyring = Keyring()
        self.faults = FaultScript(options.seed)
        self.journal = Journal()
        self.replay = Replay(options.replay) if options.replay else None
        midnights()  # computed once, here rather than in the first answer
        self.prepared: dict[tuple[str, str, bool, datetime | None], tuple[bytes, bytes]] = {}
        self.left_out: frozenset[str] = frozenset()
        self.reset()

    def reset(self) -> None:
        """As right after the start."""
        self.stocks.reset()
        self.coins.reset()
        self.keyring.reset()
        self.faults.clear()
        self.journal.clear()
        self.left_out = frozenset()
        self.set_clock(self.options.now)

    def set_clock(self, instant: datetime | None, *, running: bool = False) -> None:
        """Set the vendors' clock; None follows real time."""
        self.prepared.clear()
        if instant is None:
            self.clock.follow_real_time()
        else:
            self.clock.set(instant, running=running)

    def answer(self, head: Head, address: str) -> Answer:
        """The answer to a vendor request, written down in the journal."""
        request = read_request(head, address)
        credential = read_credential(request)
        plan = self.keyring.plans.get(credential.key)
        entry = self.journal.open(
            request, key=credential.key, key_name=_key_name(credential, plan), key_in=credential.place
        )
        fault = self.faults.pick(request, credential.key)
        entry.fault = fault.kind if fault else ""
        outcome = self._outcome(request, credential, fault, head.takes_gzip)
        if isinstance(outcome, Response):
            now = self._now(fault)
            raw_head, body = encode(outcome, takes_gzip=head.takes_gzip, now=now, keep_alive=head.keep_alive)
            entry.status = outcome.status
        else:
            raw_head, body = outcome
            entry.status, entry.prepared = 200, True
        entry.sent_bytes = len(body)
        return Answer(raw_head, body, delivery(fault, len(body)) if fault else None, entry)

    def _outcome(
        self, request: Request, credential: Credential, fault: Fault | None, takes_gzip: bool
    ) -> Response | tuple[bytes, bytes]:
        """A response, or the bytes of a prepared one."""
        try:
            if fault and (instead := replacement(fault, request)):
                return instead
            if fault is None and (ready := self._prepared(request, credential, takes_gzip)):
                return ready
            response = self.respond(request, credential, self._now(fault))
            return changed(fault, response, self.options.seed) if fault else response
        except Refused as refused:
            return _with_vendor_headers(request, refused.response)
        except LookupError as error:
            text = f"the fault {fault.kind if fault else ''} does not fit this answer: {error}"
            return Response(500, dump({"simulator": text}))
        except ValueError as error:
            return _with_vendor_headers(request, bad_parameter(request, str(error)).response)

    def _now(self, fault: Fault | None) -> datetime:
        skew = fault.parameters.get("seconds", 0.0) if fault and fault.kind == "skew" else 0.0
        return self.clock.now() + timedelta(seconds=skew)

    def _prepared(self, request: Request, credential: Credential, takes_gzip: bool) -> tuple[bytes, bytes] | None:
        asked = (credential.key, request.target, takes_gzip)
        ready = self.prepared.get((*asked, None)) or self.prepared.get((*asked, _minute_of(self.clock.now())))
        if ready is not None:
            admit(request, credential, self.keyring, self.clock.now())
        return ready

    def respond(self, request: Request, credential: Credential, now: datetime) -> Response:
        """The vendor's answer at ``now``; raises Refused for its errors."""
        if self.replay is not None:
            return self.replay.answer(request)
        plan = admit(request, credential, self.keyring, now)
        response = self._route(request, credential, plan, now)
        if request.vendor != "massive":
            self.keyring.use_credits(credential.key, now)
        return _with_vendor_headers(request, response)

    def _route(self, request: Request, credential: Credential, plan: Plan, now: datetime) -> Response:
        if request.vendor == "massive":
            return answer_massive(request, DayView(self.stocks, plan, now, self.left_out))
        used = self.keyring.credits_used(credential.key, now)
        return answer_coingecko(request, CoinView(self.coins.known_at(now), plan, now, self.left_out), used)

    def prepare(self, target: str, key: str, address: str, *, takes_gzip: bool, minute: datetime | None = None) -> int:
        """Compute an answer now, so that serving it costs nothing later; the size of its body.

        With ``minute`` it is the answer at that instant of the vendors' clock, and served during its minute only.
        """
        prefix = "authorization" if not target.startswith("/coingecko") else _key_header(target)
        value = f"Bearer {key}" if prefix == "authorization" else key
        head = Head("GET", target, {prefix: value} if key else {})
        request = read_request(head, address)
        credential = read_credential(request)
        plan = self.keyring.plans.get(key, self.keyring.keyless)
        now = self.clock.now() if minute is None else minute
        response = self._route(request, credential, plan, now)
        response = _with_vendor_headers(request, response)
        ready = encode(response, takes_gzip=takes_gzip, now=now, keep_alive=True)
        self.prepared[key, target, takes_gzip, None if minute is None else _minute_of(minute)] = ready
        return len(ready[1])


def read_request(head: Head, address: str, body: bytes = b"") -> Request:
    """Tell the vendor from the path, and the path from the prefix. Paths without a prefix are Massive's.

    Massive's ``next_url`` has none, and its paths begin with a version, so that they cannot be mistaken.
    """
    parts = urlsplit(head.target) if not head.target.startswith("//") else urlsplit("/" + head.target.lstrip("/"))
    vendor: Vendor = "massive"
    path = parts.path
    for prefix, name in PREFIXES:
        if path == prefix or path.startswith(prefix + "/"):
            vendor, path = name, path.removeprefix(prefix) or "/"
            break
    return Request(head.method, head.target, vendor, path, parts.query, head.headers, body, address)


def _minute_of(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _key_header(target: str) -> str:
    return "x-cg-pro-api-key" if target.startswith("/coingecko-pro") else "x-cg-demo-api-key"


def _key_name(credential: Credential, plan: Plan | None) -> str:
    if not credential.key:
        return ""
    return plan.name if plan else "unknown"


def _with_vendor_headers(request: Request, response: Response) -> Response:
    """The headers that each vendor adds to all its answers."""
    if request.vendor == "massive":
        response.headers.setdefault("X-Request-ID", request.request_id)
        response.headers.setdefault("Strict-Transport-Security", "max-age=15724800; includeSubDomains")
    else:
        response.headers.setdefault("Server", "cloudflare")
        response.headers.setdefault("X-Request-Id", request.request_id)
    return response
