from __future__ import annotations

import ctypes
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


# libcurl's errors that no target can make: of protocols that it is not asked to speak, of options
# that are not set, and what would be a mistake of the agent's.
NO_TARGETS = {
    *(9, 10, 11, 12, 13, 14, 15, 17, 19, 21, 25, 30, 31, 36, 84, 87, 88),  # FTP
    *(37, 38, 39, 67, 68, 69, 70, 71, 72, 73, 74, 78, 79, 85, 86),  # file, LDAP, mail, TFTP, ...
    *(22, 33, 34, 47, 53, 54, 64, 66, 77, 89, 90, 91, 94, 101),
    *(2, 4, 23, 26, 27, 42, 43, 48, 49, 65, 80, 81, 93, 99),
}


def test_every_error_of_this_libcurl_has_a_code_or_is_known_to_be_no_targets() -> None:
    bundled = sorted(Path(pycurl.__file__).parents[1].glob("pycurl.libs/libcurl-*.so*"))
    library = ctypes.CDLL(str(bundled[0]) if bundled else "libcurl.so.4")
    library.curl_easy_strerror.restype = ctypes.c_char_p
    numbers = [n for n in range(1, 200) if library.curl_easy_strerror(n) != b"Unknown error"]
    assert pycurl.E_GOT_NOTHING in numbers
    other = set()
    for number in numbers:
        for phase in ("connect", "tls", "send", "wait", "receive"):
            for os_errno in (0, errno.ECONNRESET):
                error = CurlError(number, "words", os_errno=os_errno)
                if curl_failure(error, phase).code is Code.OTHER:
                    other.add(number)
    assert other == NO_TARGETS & set(numbers)


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
