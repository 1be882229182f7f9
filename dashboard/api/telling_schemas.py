"""What the API takes and gives about who is told what: rules, channels, reports, status pages."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from dashboard.api.definition_schemas import Line
from dashboard.api.schemas import Address

ChannelId = Annotated[int, Path(ge=1, lt=2**31, description="The channel.")]
ScheduleId = Annotated[int, Path(ge=1, lt=2**31, description="The schedule.")]
SLUG = r"^[a-z0-9][a-z0-9-]{1,62}$"
Slug = Annotated[str, Path(pattern=SLUG, description="The page's address: /status/{slug}.")]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
Zone = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9+_/-]+$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Clock = Annotated[time, PlainSerializer(lambda at: f"{at:%H:%M}", return_type=str)]
EMail = Annotated[
    str, StringConstraints(max_length=254, pattern=r"^[^\s\x00-\x1f@]+@[^\s\x00-\x1f@]+$")
]
Subject = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4_000, pattern=r"^[^\x00]+$")]
SomeMonitors = Annotated[
    list[Annotated[int, Field(ge=1, lt=2**31)]], Field(min_length=1, max_length=1000)
]
Phase = Literal["total", "dns", "connect", "tls", "send", "wait", "receive"]


class RuleValues(BaseModel):
    """When an incident opens and closes; docs/alerts.md explains it."""

    model_config = ConfigDict(extra="forbid")

    needed_locations: int | None = Field(
        None, ge=1, le=100, description="So many must fail. Null: 2, or what needed_percent says."
    )
    needed_percent: int | None = Field(
        None, ge=1, le=100, description="Instead: so many per cent of those that have a vote."
    )
    consecutive: int = Field(3, ge=1, le=10, description="Results in a row that must be down.")
    distinct_by: Literal["location", "country", "network"] = Field(
        "location", description="What is counted."
    )
    closes_after_s: int = Field(120, ge=0, le=86_400, description="Well for so long.")
    opens_when_degraded: bool = Field(False, description="For what is slow or degraded, too.")
    slower_factor: float | None = Field(
        None, ge=1.5, le=100, description="Times as long as usual, in tenths. Null: not judged."
    )
    slower_phase: Phase = Field("total", description="What is compared with what is usual.")
    slower_for_s: int = Field(900, ge=300, le=3_600, description="The median of so long.")
    slower_locations: int = Field(2, ge=1, le=100, description="From so many it must be slower.")


class Rule(RuleValues):
    """The rule that is in force."""

    monitor_id: int | None = Field(description="Null: for all that have none of their own.")
    source: str = Field(description="Whose it is: monitor, account or installation.")


class Dependencies(BaseModel):
    """What a monitor cannot work without: while such a one is out, nobody is told of this one."""

    model_config = ConfigDict(extra="forbid")

    parents: Annotated[list[Annotated[int, Field(ge=1, lt=2**31)]], Field(max_length=1000)] = Field(
        description="Monitors; none: it depends on nothing."
    )


class ChannelValues(BaseModel):
    """Where the account is told, when and of what; docs/notifications.md explains it."""

    model_config = ConfigDict(extra="forbid")

    name: Name | Literal[""] = Field("", description="As shown to people; else the address's host.")
    address: Address | None = Field(
        None,
        description="E-mail address, https:// of a webhook, or URL of a service. Never shown "
        "again. Null, where a channel is changed: it is told where it was.",
    )
    least_severity: Literal["degraded", "down"] = Field("degraded", description="Not told below.")
    delay_s: int = Field(0, ge=0, le=86_400, description="Told after so long, unless acknowledged.")
    remind_s: int | None = Field(None, ge=300, le=604_800, description="Again. Null: never.")
    quiet_from: TimeOfDay | None = Field(None, description="From then on nothing is told …")
    quiet_to: TimeOfDay | None = Field(None, description="… until then.")
    time_zone: Zone = Field("UTC", description="IANA name, of the quiet hours and of what is told.")
    monitor_ids: SomeMonitors | None = Field(None, description="Only of these. Null: of all.")
    is_muted: bool = Field(False, description="It is told nothing.")
    own_subject: Subject | None = Field(
        None, description="In your words, with {fields}. Null: in Vantage's."
    )
    own_text: Text | None = Field(None, description="Likewise, of each thing that is told.")


class Channel(BaseModel):
    """A channel as it is; its address is known to nobody but whoever tells."""

    id: int
    name: str
    kind: str = Field(description="mail, webhook or service.")
    hint: str = Field(description="What its address is recognised by.")
    least_severity: str
    delay_s: int
    remind_s: int | None
    quiet_from: Clock | None
    quiet_to: Clock | None
    time_zone: str
    monitor_ids: list[int] | None
    muted_at: datetime | None
    last_sent_at: datetime | None
    failing_since_at: datetime | None = Field(description="Since when nothing arrives.")
    last_error: str | None
    waiting: int = Field(description="Notifications that are decided and not sent.")
    own_subject: str | None
    own_text: str | None


class ChannelSaved(Channel):
    """A channel that was added or changed."""

    secret: str | None = Field(
        description="What a webhook is signed with, where its address is new: shown this once."
    )


class Tested(BaseModel):
    """A test that is on its way."""

    requested_at: datetime


class ReportScheduleValues(BaseModel):
    """A report that is mailed by itself; docs/reports.md explains it."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="As shown to people, and in the subject.")
    period: Literal["month", "week"] = Field("month", description="What it is about.")
    day: int = Field(1, ge=1, le=28, description="Of the month after, or of the week: 1 to 7.")
    at: TimeOfDay = Field("06:00", description="On that day, by time_zone's clocks.")
    time_zone: Zone = Field("UTC", description="IANA name.")
    monitor_ids: SomeMonitors | None = Field(None, description="Only these. Null: all.")
    objective: float = Field(99.9, ge=0, le=100, description="Availability, in percent.")
    limit_us: int | None = Field(
        None, ge=1_000, le=600_000_000, description="Response time. Null: no objective for it."
    )
    share: float = Field(95, ge=0, le=100, description="Per cent of them within limit_us.")
    has_revisions: bool = Field(False, description="Mailed again when late results amend it.")
    recipients: Annotated[list[EMail], Field(min_length=1, max_length=1000)] = Field(
        description="Addresses of members of the account."
    )


class ReportSchedule(BaseModel):
    """A report by mail as it is."""

    id: int
    name: str
    period: str
    day: int
    at: Clock
    time_zone: str
    monitor_ids: list[int] | None
    objective: float
    limit_us: int | None
    share: float
    has_revisions: bool
    recipients: list[str]


class StatusPageValues(BaseModel):
    """A page that anybody may read."""

    model_config = ConfigDict(extra="forbid")

    title: Name = Field(description="Its heading.")
    monitor_ids: Annotated[list[Annotated[int, Field(ge=1, lt=2**31)]], Field(max_length=1000)] = (
        Field(description="What it shows: names and how they stand, never addresses.")
    )


class StatusPage(BaseModel):
    """A status page as it is."""

    slug: str
    title: str
    monitor_ids: list[int]
    url: Line = Field(description="Where it is.")
