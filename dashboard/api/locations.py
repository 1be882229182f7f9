"""``/locations``: where monitors are probed from."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request

from dashboard.api.access import BASIC, BEARER, using
from dashboard.api.schemas import Location

ROUTER = APIRouter(
    prefix="/locations", tags=["Locations"], dependencies=[Depends(BEARER), Depends(BASIC)]
)


@ROUTER.get("", summary="List locations")
async def list_locations(request: Request) -> list[Location]:
    """Every location of this installation."""
    async with using(request, "read") as reader:
        return await reader.all(Location, "api_locations")
