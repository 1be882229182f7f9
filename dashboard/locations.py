"""The locations and their agents, for those who run this installation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import atlas, words
from dashboard.errors import NotFound
from dashboard.rendering import page
from dashboard.rows.location import Agent, Place, Trouble
from dashboard.session import visit
from dashboard.view import tz_of

PATH = "/locations"
TROUBLES_AGE = timedelta(days=7)


async def show(request: Request) -> Response:
    """Answer ``/locations``. To all but operators there is no such page."""
    async with visit(request) as (visitor, reader):
        if not visitor.is_operator:
            raise NotFound("There is no such page here.")
        places = await reader.all(Place, "places")
        agents = await reader.all(Agent, "agents")
        troubles = await reader.all(Trouble, "location_troubles", age=TROUBLES_AGE)
    places.sort(key=lambda place: words.order(place.title))
    return page(
        request,
        "locations.html",
        visitor=visitor,
        sentence=sentence(agents),
        troubles=troubles,
        titles={place.name: place.title for place in places},
        places=[
            (place, [agent for agent in agents if agent.location == place.name]) for place in places
        ],
        place_link="#place-{}".format,
        dots=atlas.draw(_spots(places, agents)),
        tz=tz_of(request.query_params),
    )


def sentence(agents: Sequence[Agent]) -> str:
    """How many there are, and how many of them are there."""
    online = sum(agent.is_online for agent in agents)
    if not agents:
        return "No agent has enrolled yet"
    if online < len(agents):
        verb = "is" if online == 1 else "are"
        return f"{online:,} of {words.count(len(agents), 'agent')} {verb} online"
    return "The agent is online" if online == 1 else f"All {online:,} agents are online"


def _spots(places: Sequence[Place], agents: Sequence[Agent]) -> list[atlas.Spot]:
    """The locations that are known to lie somewhere, each as the worst of its agents."""
    return [
        atlas.Spot(
            place.name,
            place.title,
            words.worst([agent.state for agent in agents if agent.location == place.name]),
            place.latitude,
            place.longitude,
        )
        for place in places
        if place.latitude is not None and place.longitude is not None
    ]


ROUTES = [Route(PATH, show)]
