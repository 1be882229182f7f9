"""What the API takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, StringConstraints

from dashboard.api.definition_schemas import (
    AssertionValues,
    Line,
    RequestValues,
    SecretValues,
    TermsValues,
)

Item = TypeVar("Item")

MonitorId = Annotated[int, Path(ge=1, lt=2**31, description="The monitor.")]
IncidentId = Annotated[int, Path(ge=1, lt=2**63, description="The incident.")]
Limit = Annotated[int, Query(ge=1, le=500, description="At most so many.")]
LocationName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Locations = Annotated[
    list[LocationName], Query(alias="location", max_length=100, description="Only these.")
]
Address = Annotated[str, StringConstraints(max_length=2048, pattern=r"^[^\s\x00-\x1f\x7f-\x9f]+$")]
From = Annotated[
    str, Query(alias="from", description="Instant; 24 hours before `to` unless given.")
]
To = Annotated[str, Query(alias="to", description="Instant, not included; now unless given.")]


class Page(BaseModel, Generic[Item]):
    """Some of a list."""

    items: list[Item]
    next: str | None = Field(description="Pass as `after` for what follows. Null: that was all.")


class MonitorValues(BaseModel):
    """What is watched, and how."""

    model_config = ConfigDict(extra="forbid")

    url: Address = Field(description="Address to watch.")
    name: Line = Field("", description="As shown to people; the address, unless given.")
    interval_s: int = Field(60, ge=1, le=86_400, description="Seconds between two slots.")
    timeout_us: int = Field(10_000_000, ge=100_000, le=60_000_000, description="Given up after.")
    slow_us: int | None = Field(None, ge=1, le=60_000_000, description="Slow above. Null: never.")
    locations: Annotated[list[LocationName], Field(min_length=1, max_length=500)] | None = Field(
        None, description="From where. Null: from everywhere, also from locations to come."
    )
    kind: Literal["request", "page"] | None = Field(
        None, description="Page: with all that it loads. Null: request, or as it was."
    )
    tags: Annotated[list[Line], Field(max_length=20)] | None = Field(
        None, description="Words to group by. Null: none, or as they were."
    )
    is_paused: bool = Field(False, description="It rests: nothing is due.")
    request: RequestValues | None = Field(
        None, description="What is asked. Null: GET and nothing special, or as it was."
    )
    terms: TermsValues | None = Field(
        None, description="The way to the server, and trust. Null: nothing special, or as it was."
    )
    secrets: SecretValues | None = Field(
        None, description="Those to set or remove. Null: none, or as they were."
    )
    assertions: Annotated[list[AssertionValues], Field(max_length=50)] | None = Field(
        None, description="What is expected of the answer. Null: nothing special, or as it was."
    )


class Monitor(BaseModel):
    """A monitor as it is."""

    id: int
    name: str
    url: str
    interval_s: int
    timeout_us: int
    slow_us: int | None
    kind: str
    tags: list[str]
    is_everywhere: bool
    locations: list[str]
    paused_at: datetime | None
    created_at: datetime
    request: RequestValues
    terms: TermsValues
    assertions: list[AssertionValues]
    secrets: list[str] = Field(description="Names of what is set and never shown.")


class Location(BaseModel):
    """Where monitors are probed from."""

    name: str
    title: str
    region: str | None
    country: str | None
    latitude: float | None
    longitude: float | None
    last_seen_at: datetime | None


class Availability(BaseModel):
    """Checks of a span of time. `share` is rounded down; null: no check."""

    location: str | None = Field(description="Null: all locations together.")
    checks: int
    passed: int
    share: float | None
    median_us: int | None
    p95_us: int | None


class Incident(BaseModel):
    """An outage that enough locations agreed on; docs/alerts.md explains it."""

    id: int
    monitor_id: int
    monitor: str = Field(description="The monitor's name.")
    state: str = Field(description="open; recovering: well, but it may not last; closed.")
    severity: str = Field(description="The worst it has been: down or degraded.")
    began_at: datetime = Field(description="Slot of the first failing result.")
    opened_at: datetime = Field(description="When enough locations had agreed.")
    recovered_at: datetime | None = Field(description="Since when it is well. Null: it is not.")
    closed_at: datetime | None
    reopened: int = Field(description="How often it failed again soon after closing.")
    cause: str = Field(description="The most frequent code of docs/failures.md.")
    summary: str = Field(description="In a sentence: what, and from where.")
    failing_since_at: datetime | None = Field(
        description="Since when; later than it began where it was well for a while."
    )
    locations: list[str] = Field(description="Every location that failed in it.")
    assigned: int = Field(description="Of how many locations.")
    silenced_by: int | None = Field(description="Incident of a monitor that this one depends on.")
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    post_mortem: str | None


class Evidence(BaseModel):
    """What a location saw in an incident."""

    location: str
    which: str = Field(description="first or last failing result; well: the first good one after.")
    slot_at: datetime
    total_us: int
    http_status: int | None
    failure: str | None
    failed_phase: str | None
    target_ip: IPvAnyAddress | None
    detail: str | None


class IncidentEvent(BaseModel):
    """Something that happened to an incident."""

    at: datetime
    kind: str
    author: str | None = Field(description="Null: Vantage itself.")
    detail: str | None
    failing_since_at: datetime | None = Field(description="Since when what `detail` says is so.")


class IncidentDetails(Incident):
    """An incident with everything about it."""

    evidence: list[Evidence]
    events: list[IncidentEvent]


class Note(BaseModel):
    """What somebody found or did."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[
        str,
        StringConstraints(min_length=1, max_length=20_000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"),
        Field(description="Plain text; lines stay lines."),
    ]


class Asked(BaseModel):
    """A result that was asked for: the results to come carry this instant as their slot."""

    requested_at: datetime
