"""The server that is fetched from: on a core of its own, quicker than whoever fetches.

nginx where it is installed, else a small one in Python (which a C client outruns: install nginx).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from agent.authorities import system_bundle
from tests.support.certificates import TestAuthority
from tests.support.processes import answers, free_port, wait_until
from tests.support.targets import OK

_NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_timeout 0;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  ssl_protocols TLSv1.3; ssl_session_cache off; ssl_session_tickets off;
  server {{
    listen 127.0.0.1:{http} backlog=4096; listen 127.0.0.1:{https} ssl backlog=4096;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{ return 200 "hello"; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to fetch; ``server``: what serves.

    ``authority``: issued the server's certificate; ``authorities``: that and all the system's.
    """

    http: str
    https: str
    authority: Path
    authorities: Path
    server: str


def cores() -> tuple[int, int]:
    """Return a core for who fetches and one for who serves; the same, where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def pinned(core: int, command: list[str]) -> list[str]:
    """Word ``command`` so that it runs on ``core`` alone."""
    return ["taskset", "-c", str(core), *command]


@contextmanager
def serving(folder: Path) -> Iterator[Target]:
    """Serve HTTP and HTTPS (TLS 1.3, P-256, no resumption) in a process of its own."""
    authority = TestAuthority(folder)
    authorities = folder / "authorities.pem"
    authorities.write_bytes(system_bundle().read_bytes() + b"\n" + authority.path.read_bytes())
    leaf = authority.issue("127.0.0.1")
    http, https = free_port(), free_port()
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx:
        text = _NGINX.format(
            folder=folder, http=http, https=https, certificate=leaf.certificate, key=leaf.key
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(text)
        command = [nginx, "-p", str(folder), "-c", str(configuration)]
    else:
        print("nginx is not installed; a slower server takes its place (apt-get install nginx).")
        command = [sys.executable, "-m", "bench.target", str(http), str(https)]
        command += [str(leaf.certificate), str(leaf.key)]
    server = subprocess.Popen(pinned(cores()[1], command))
    try:
        wait_until(lambda: answers(https), seconds=10, what="the server")
        yield Target(
            f"http://127.0.0.1:{http}/",
            f"https://127.0.0.1:{https}/",
            authority.path,
            authorities,
            "nginx" if nginx else "Python",
        )
    finally:
        server.terminate()
        server.wait()


class _Hello(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(OK)
        self._transport.close()


async def _serve(http: int, https: int, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.num_tickets = 0
    loop = asyncio.get_running_loop()
    await loop.create_server(_Hello, "127.0.0.1", http, backlog=4096)
    await loop.create_server(_Hello, "127.0.0.1", https, ssl=context, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
