"""A result as a person reads it in a terminal, and as a program reads it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from textwrap import wrap

from agent.phases import last_phase
from agent.result import Exchange, Failure, Outcome, Pings, Result, Role
from vantage.phase import PHASES

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LABEL_WIDTH = 21
_DAY_US = 86_400_000_000
_ANSWER_LINES = 10


def waterfall(result: Result, *, width: int = 80) -> str:
    """Draw every exchange and its phases on one time scale, with the verdict below.

    Plain text. A bar's ends are drawn to an eighth of a column, its beginning to a half.
    """
    scale = _Scale(result.total_us, max(10, width - _LABEL_WIDTH))
    lines: list[str] = []
    hops = [each for each in result.exchanges if each.role is not Role.RESOURCE]
    for number, exchange in enumerate(hops, start=1):
        lines += [_clip(_heading(number, exchange), width)]
        lines += [_clip(f"   {line}", width) for line in _facts(exchange, result.started_at_us)]
        lines += _bars(exchange, scale)
        lines.append("")
    lines += _resources(result, width)
    lines.append(_clip(_verdict(result), width))
    if result.failure is not None:
        lines += wrap(_told(result.failure, result), width)
    if result.suspect:
        lines += wrap(
            f"suspect: the probing loop was blocked for {_ms(result.lag_us)}; "
            "times may be too long by as much",
            width,
        )
    return "\n".join(lines)


def as_json(result: Result) -> dict[str, object]:
    """Return the result under the names of the columns of vantage.results.

    Addresses are text, instants ISO 8601 in UTC. ``exchanges``: all of them, named as in
    vantage.exchanges.
    """
    last = result.exchanges[-1]
    return {
        "slot_at": _instant(result.slot_at_us),
        "started_at": _instant(result.started_at_us),
        "monitor_id": result.monitor_id,
        "outcome": str(result.outcome),
        "failure": str(result.failure.code) if result.failure else None,
        "detail": (result.failure.detail or None) if result.failure else None,
        "total_us": result.total_us,
        "redirect_us": result.redirect_us,
        "resources_us": result.resources_us,
        **_columns(last),
        "pings_sent": last.pings.sent if last.pings else None,
        "pings_received": last.pings.received if last.pings else None,
        "ping_min_us": last.pings.min_us if last.pings else None,
        "ping_max_us": last.pings.max_us if last.pings else None,
        "answer": last.answer or None,
        "cert_expires_at": _instant(last.cert_expires_at_us),
        "tls_version": (last.handshake.version or None) if last.handshake else None,
        "tls_cipher": (last.handshake.cipher or None) if last.handshake else None,
        "redirects": _redirects(result),
        "delay_us": result.delay_us,
        "lag_us": result.lag_us,
        "suspect": result.suspect,
        "is_extra": result.is_extra,
        "exchanges": [
            {"hop": hop, "total_us": exchange.total_us, **_columns(exchange)}
            for hop, exchange in enumerate(result.exchanges, start=1)
        ],
    }


def _columns(exchange: Exchange) -> dict[str, object]:
    return {
        "url": exchange.url,
        **{f"{phase}_us": getattr(exchange.phases, f"{phase}_us") for phase in PHASES},
        "http_status": exchange.http_status,
        "http_version": exchange.http_version or None,
        "header_bytes": exchange.header_bytes,
        "body_bytes": exchange.body_bytes,
        "target_ip": _address(exchange.target_ip),
        "target_port": exchange.target_port,
        "local_ip": _address(exchange.local_ip),
        "rtt_us": exchange.rtt_us,
        "role": str(exchange.role),
        "start_us": exchange.start_us,
        "resource": exchange.resource or None,
    }


class _Scale:
    """Microseconds to eighths of a column."""

    def __init__(self, total_us: int, columns: int) -> None:
        self._total_us = max(1, total_us)
        self._columns = columns

    def bar(self, begins_us: int, ends_us: int) -> str:
        begin, end = self._eighths(begins_us), self._eighths(ends_us)
        end = max(end, min(begin + 1, self._columns * 8))
        begin = min(begin, end - 1)
        first, last = begin // 8, (end - 1) // 8
        if first == last:
            # Less than a column: no character begins and ends inside one, so the width is kept.
            return " " * first + _EIGHTHS[end - begin]
        head = "▐" if begin % 8 >= 4 else "█"
        return " " * first + head + "█" * (last - first - 1) + _EIGHTHS[end - last * 8]

    def _eighths(self, us: int) -> int:
        return round(us * self._columns * 8 / self._total_us)


def _bars(exchange: Exchange, scale: _Scale) -> list[str]:
    lines = []
    begins_us = exchange.start_us
    for phase in PHASES:
        spent_us = getattr(exchange.phases, f"{phase}_us")
        if spent_us is not None:
            bar = scale.bar(begins_us, begins_us + spent_us)
            lines.append(f"   {phase:<7}{_ms(spent_us):>10} {bar}")
            begins_us += spent_us
    lines.append(f"   {'total':<7}{_ms(exchange.total_us):>10}")
    return lines


def _resources(result: Result, width: int) -> list[str]:
    """Draw a page's resources, a line each: what it is, its status, how long it took, when."""
    resources = [each for each in result.exchanges if each.role is Role.RESOURCE]
    if not resources:
        return []
    label = width * 5 // 8
    scale = _Scale(result.total_us, max(10, width - label))
    lines = [f"{len(resources)} resources, after the document {_ms(result.resources_us or 0)}"]
    for each in resources:
        path = each.url.partition("://")[2]
        room = label - 30
        name = path if len(path) <= room else "…" + path[1 - room :]
        status = each.http_status or "-"
        mark = "!" if each.failure else " "
        bar = scale.bar(each.start_us, each.start_us + each.total_us)
        lines.append(
            f" {mark} {each.resource:<10} {name:<{room}} {status:>3} {_ms(each.total_us):>10} {bar}"
        )
    return [*(_clip(line, width) for line in lines), ""]


def _heading(number: int, exchange: Exchange) -> str:
    if not exchange.url.startswith(("http", "ws")):
        return f"{number}. {exchange.url}"
    status = "no response" if exchange.http_status is None else f"{exchange.http_status}"
    protocol = f" HTTP/{exchange.http_version}" if exchange.http_version else ""
    return f"{number}. {exchange.url}  {status}{protocol}"


def _facts(exchange: Exchange, at_us: int) -> list[str]:
    where = _address(exchange.target_ip)
    host = f"[{where}]" if where and ":" in where else where
    port = f":{exchange.target_port}" if exchange.target_port else ""
    facts = [
        f"{host}{port}" if host else "no address",
        f"from {_address(exchange.local_ip)}" if exchange.local_ip else "",
        f"round trip {_ms(exchange.rtt_us)}" if exchange.rtt_us is not None else "",
    ]
    sizes = ""
    if exchange.http_status is not None:
        sizes = f"headers {exchange.header_bytes} bytes, body {exchange.body_bytes} bytes"
    certificate = ""
    if exchange.cert_expires_at_us is not None:
        days = (exchange.cert_expires_at_us - at_us) // _DAY_US
        certificate = (
            f"certificate expires in {days} days"
            if days >= 0
            else f"certificate expired {-days} days ago"
        )
    tls = ""
    if exchange.handshake is not None and exchange.handshake.version:
        tls = f"TLS {exchange.handshake.version} {exchange.handshake.cipher}"
    lines = [", ".join(filter(None, each)) for each in (facts, (tls, certificate), (sizes,))]
    lines += [_pings(exchange.pings), *exchange.answer.splitlines()[:_ANSWER_LINES]]
    return [line for line in lines if line]


def _pings(pings: Pings | None) -> str:
    if pings is None or not pings.sent:
        return ""
    counted = f"{pings.received} of {pings.sent} pings came back"
    if pings.min_us is None or pings.max_us is None:
        return counted
    return f"{counted}, shortest {_ms(pings.min_us)}, longest {_ms(pings.max_us)}"


def _verdict(result: Result) -> str:
    parts = [f"{result.outcome} in {_ms(result.total_us)}"]
    followed = _redirects(result)
    if followed:
        noun = "redirect" if followed == 1 else "redirects"
        parts.append(f"{_ms(result.redirect_us)} of it in {followed} {noun}")
    return ", ".join(parts)


def _redirects(result: Result) -> int:
    return sum(1 for exchange in result.exchanges if exchange.role is Role.HOP) - 1


def _told(failure: Failure, result: Result) -> str:
    phase = last_phase(result.exchanges[-1].phases)
    where = f" in phase {phase}" if result.outcome is Outcome.DOWN and phase else ""
    return f"{failure.code}{where}" + (f": {failure.detail}" if failure.detail else "")


def _ms(us: int) -> str:
    return f"{us / 1000:.1f} ms"


def _clip(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _address(packed: bytes) -> str | None:
    return str(ip_address(packed)) if packed else None


def _instant(us: int | None) -> str | None:
    if us is None:
        return None
    seconds, fraction = divmod(us, 1_000_000)
    at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
