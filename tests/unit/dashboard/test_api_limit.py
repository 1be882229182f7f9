from __future__ import annotations

import pytest

from dashboard.api.access import PER_MINUTE, count
from dashboard.errors import TooMany


def test_a_persons_requests_are_counted() -> None:
    for _ in range(PER_MINUTE):
        count(1)
    count(2)
    with pytest.raises(TooMany) as caught:
        count(1)
    assert 0 < caught.value.wait_s <= 61
