"""``/channels``: where the account is told. An address goes in and never comes out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from dashboard.account.channels import sealed
from dashboard.api.access import BASIC, BEARER, acting, using
from dashboard.api.telling_schemas import Channel, ChannelId, ChannelSaved, ChannelValues, Tested
from dashboard.db import Reader
from dashboard.destination import read
from dashboard.errors import NotFound, Unacceptable
from dashboard.rows.answer import Added

ROUTER = APIRouter(
    prefix="/channels", tags=["Channels"], dependencies=[Depends(BEARER), Depends(BASIC)]
)


async def find(reader: Reader, channel_id: int) -> Channel:
    """The account's channel. Raises: NotFound."""
    for channel in await reader.all(Channel, "channels"):
        if channel.id == channel_id:
            return channel
    raise NotFound("There is no such channel in your account.")


@ROUTER.get("", summary="List channels")
async def list_channels(request: Request) -> list[Channel]:
    """Every channel of the account."""
    async with using(request, "read") as reader:
        return await reader.all(Channel, "channels")


@ROUTER.post("", status_code=201, summary="Add a channel")
async def add_channel(request: Request, response: Response, values: ChannelValues) -> ChannelSaved:
    """Have the account told somewhere. Scope: write."""
    if values.address is None:
        raise Unacceptable("Give the channel an address.")
    destination = read(values.address)
    async with acting(request, "write") as (visitor, reader):
        columns = {
            **_columns(values),
            "name": values.name or destination.hint,
            **await sealed(visitor, reader, destination),
        }
        added = await reader.the(Added, "add_channel", **columns)
        await reader.run("mute_channel", id=added.id, is_wanted=values.is_muted)
        await reader.run("word_channel", id=added.id, **_words(values))
        channel = await find(reader, added.id)
    response.headers["Location"] = f"/api/v1/channels/{channel.id}"
    return ChannelSaved(**channel.model_dump(), secret=destination.secret or None)


@ROUTER.get("/{channel_id}", summary="Read a channel")
async def read_channel(request: Request, channel_id: ChannelId) -> Channel:
    """One channel, and whether what it is told arrives."""
    async with using(request, "read") as reader:
        return await find(reader, channel_id)


@ROUTER.put("/{channel_id}", summary="Change a channel")
async def change_channel(
    request: Request, channel_id: ChannelId, values: ChannelValues
) -> ChannelSaved:
    """Define a channel anew; without a name or an address these stay. Scope: write."""
    destination = None if values.address is None else read(values.address)
    async with acting(request, "write") as (visitor, reader):
        told: dict[str, Any] = dict.fromkeys(("kind", "hint", "key_id", "sealed"))
        if destination is not None:
            told = await sealed(visitor, reader, destination)
        columns = {**_columns(values), **told}
        known = await find(reader, channel_id)
        columns["name"] = values.name or known.name
        await reader.run("change_channel", id=channel_id, **columns)
        if values.is_muted != (known.muted_at is not None):
            await reader.run("mute_channel", id=channel_id, is_wanted=values.is_muted)
        await reader.run("word_channel", id=channel_id, **_words(values))
        channel = await find(reader, channel_id)
    secret = destination.secret if destination else None
    return ChannelSaved(**channel.model_dump(), secret=secret or None)


@ROUTER.delete("/{channel_id}", status_code=204, summary="Remove a channel")
async def remove_channel(request: Request, channel_id: ChannelId) -> None:
    """Forget it and what it was told. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("remove_channel", id=channel_id)


@ROUTER.post("/{channel_id}/test", status_code=202, summary="Test a channel")
async def check_channel(request: Request, channel_id: ChannelId) -> Tested:
    """Have it told that this is a test, at most every ten seconds. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("test_channel", id=channel_id)
    return Tested(requested_at=datetime.now(UTC))


def _columns(values: ChannelValues) -> dict[str, Any]:
    return values.model_dump(exclude={"address", "is_muted", "own_subject", "own_text"})


def _words(values: ChannelValues) -> dict[str, str | None]:
    return {"subject": values.own_subject, "text": values.own_text}
