from __future__ import annotations

import errno
import re
from pathlib import Path

import pycurl
import pytest

from agent.failure import Code, CurlError, curl_failure, status_failure

DOCUMENT = Path(__file__).parents[3] / "docs" / "failures.md"


def test_the_document_explains_every_code_and_no_other() -> None:
    documented = re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted(Code)


@pytest.mark.parametrize(
    ("phase", "code"),
    [
        ("connect", "connect_timeout"),
        ("tls", "tls_timeout"),
        ("send", "timeout_send"),
        ("wait", "timeout_wait"),
        ("receive", "timeout_receive"),
    ],
)
def test_timeouts_are_named_after_their_phase(phase: str, code: str) -> None:
    assert curl_failure(CurlError(pycurl.E_OPERATION_TIMEDOUT, "late"), phase).code == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ECONNREFUSED, "connect_refused"),
        (errno.ETIMEDOUT, "connect_timeout"),
        (errno.EHOSTUNREACH, "connect_unreachable"),
        (errno.ENETUNREACH, "connect_unreachable"),
        (errno.ECONNRESET, "connect_reset"),
        (errno.EACCES, "connect_failed"),
        (0, "connect_failed"),
    ],
)
def test_a_failed_connection_is_named_by_its_errno(number: int, code: str) -> None:
    error = CurlError(pycurl.E_COULDNT_CONNECT, "no", os_errno=number)
    assert curl_failure(error, "connect").code == code


@pytest.mark.parametrize(
    ("verify_result", "code"),
    [
        (9, "tls_cert_not_yet_valid"),
        (10, "tls_cert_expired"),
        (18, "tls_cert_self_signed"),
        (19, "tls_cert_untrusted"),
        (20, "tls_cert_untrusted"),
        (62, "tls_cert_name"),
        (23, "tls_cert_invalid"),
        (0, "tls_cert_invalid"),
    ],
)
def test_a_bad_certificate_is_named_by_openssl(verify_result: int, code: str) -> None:
    error = CurlError(pycurl.E_PEER_FAILED_VERIFICATION, "bad", verify_result=verify_result)
    assert curl_failure(error, "tls").code == code


@pytest.mark.parametrize("phase", ["send", "wait", "receive"])
def test_a_reset_is_named_after_its_phase(phase: str) -> None:
    error = CurlError(pycurl.E_RECV_ERROR, "gone", os_errno=errno.ECONNRESET)
    assert curl_failure(error, phase).code == f"reset_{phase}"


def test_nonsense_received_is_no_reset() -> None:
    error = CurlError(pycurl.E_RECV_ERROR, "chunk hex-length char not a hex digit: 0x7a")
    assert curl_failure(error, "receive").code == "http_protocol"


def test_what_is_not_listed_keeps_libcurl_s_number_and_words() -> None:
    failure = curl_failure(CurlError(27, "Out of memory"), "wait")
    assert failure.code == "other"
    assert failure.detail == "libcurl error 27: Out of memory"


def test_every_error_in_every_phase_gets_a_code_of_the_list() -> None:
    for number in range(1, 110):
        for phase in ("", "dns", "connect", "tls", "send", "wait", "receive"):
            for os_errno in (0, errno.ECONNRESET):
                error = CurlError(number, "words", os_errno=os_errno)
                assert curl_failure(error, phase).code in list(Code)


def test_a_status_is_told_with_its_usual_words() -> None:
    assert status_failure(503).detail == "HTTP 503 Service Unavailable"
    assert status_failure(599).detail == "HTTP 599"


def test_another_address_that_refused_is_not_to_blame() -> None:
    error = CurlError(pycurl.E_GOT_NOTHING, "Empty reply", os_errno=errno.ECONNREFUSED)
    assert curl_failure(error, "wait").detail == "Empty reply"
    timed_out = CurlError(pycurl.E_OPERATION_TIMEDOUT, "late", os_errno=errno.ECONNREFUSED)
    assert curl_failure(timed_out, "connect").detail == "late"
    reset = CurlError(pycurl.E_RECV_ERROR, "Recv failure", os_errno=errno.ECONNRESET)
    assert curl_failure(reset, "wait").detail == "Recv failure (Connection reset by peer)"
