"""``/rule`` and ``/monitors/{id}/rule``: when an incident opens; what a monitor depends on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Depends, Request

from dashboard.api import monitors
from dashboard.api.access import BASIC, BEARER, using
from dashboard.api.schemas import MonitorId
from dashboard.api.telling_schemas import Dependencies, Rule, RuleValues
from dashboard.errors import Unacceptable
from dashboard.rules import Parent

ROUTER = APIRouter(tags=["Rules"], dependencies=[Depends(BEARER), Depends(BASIC)])


@ROUTER.get("/rule", summary="Read the account's rule")
async def read_account_rule(request: Request) -> Rule:
    """The rule of every monitor that has none of its own."""
    async with using(request, "read") as reader:
        return await reader.the(Rule, "account_rule")


@ROUTER.put("/rule", summary="Set the account's rule")
async def save_account_rule(request: Request, values: RuleValues) -> Rule:
    """Give every monitor that has none of its own this rule, all of it. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("save_rule", monitor_id=None, **_columns(values))
        return await reader.the(Rule, "account_rule")


@ROUTER.delete("/rule", status_code=204, summary="Remove the account's rule")
async def remove_account_rule(request: Request) -> None:
    """Follow the installation's rule again. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("remove_rule", monitor_id=None)


@ROUTER.get("/monitors/{monitor_id}/rule", summary="Read a monitor's rule")
async def read_rule(request: Request, monitor_id: MonitorId) -> Rule:
    """The rule in force for a monitor, whoever set it."""
    async with using(request, "read") as reader:
        await monitors.find(reader, monitor_id)
        return await reader.the(Rule, "rule", monitor_id=monitor_id)


@ROUTER.put("/monitors/{monitor_id}/rule", summary="Set a monitor's rule")
async def save_rule(request: Request, monitor_id: MonitorId, values: RuleValues) -> Rule:
    """Give a monitor a rule of its own, all of it. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("save_rule", monitor_id=monitor_id, **_columns(values))
        return await reader.the(Rule, "rule", monitor_id=monitor_id)


@ROUTER.delete("/monitors/{monitor_id}/rule", status_code=204, summary="Remove a monitor's rule")
async def remove_rule(request: Request, monitor_id: MonitorId) -> None:
    """Let a monitor follow the account's rule again. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("remove_rule", monitor_id=monitor_id)


@ROUTER.get("/monitors/{monitor_id}/dependencies", summary="Read what a monitor depends on")
async def read_dependencies(request: Request, monitor_id: MonitorId) -> Dependencies:
    """The monitors that it cannot work without."""
    async with using(request, "read") as reader:
        await monitors.find(reader, monitor_id)
        found = await reader.all(Parent, "parents", monitor_id=monitor_id)
    return Dependencies(parents=sorted(parent.id for parent in found))


@ROUTER.put("/monitors/{monitor_id}/dependencies", summary="Set what a monitor depends on")
async def set_dependencies(
    request: Request, monitor_id: MonitorId, values: Dependencies
) -> Dependencies:
    """These monitors and no others. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("set_dependencies", monitor_id=monitor_id, parents=values.parents)
    return Dependencies(parents=sorted(set(values.parents)))


def _columns(values: RuleValues) -> dict[str, Any]:
    columns = values.model_dump()
    if values.needed_locations is not None and values.needed_percent is not None:
        raise Unacceptable("Give needed_locations or needed_percent, not both.")
    if values.needed_percent is None:
        columns["needed_locations"] = values.needed_locations or 2
    if values.slower_factor is not None:
        columns["slower_factor"] = round(Decimal(str(values.slower_factor)), 1)
    return columns
