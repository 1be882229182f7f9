"""Every kind that configuration files may hold, in the order in which they are made."""

from __future__ import annotations

from collector.config.alert_rules import AlertRules
from collector.config.channels import Channels
from collector.config.dependencies import Dependencies
from collector.config.kind import KEY, Kind
from collector.config.locations import Locations
from collector.config.maintenance import Rules, Windows
from collector.config.monitors import Monitors
from collector.config.shape import Names, Schema, Text
from collector.config.status_pages import StatusPages

KINDS: tuple[Kind, ...] = (
    Locations(),
    Monitors(),
    Windows(),
    Rules(),
    AlertRules(),
    Dependencies(),
    StatusPages(),
    Channels(),
)
# Whatever begins so is the user's own: a place for what anchors name.
OWN = "x-"


def schema() -> Schema:
    """Return the JSON Schema of a document."""
    kinds = {
        kind.name: Names(kind.record, f"a mapping of {kind.name}", KEY).schema() for kind in KINDS
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Vantage: what vantage apply takes",
        "type": "object",
        "properties": {
            "account": {"description": "Whose it is; the only account's, unless given.",
                        **Text().schema()},
            **kinds,
        },
        "patternProperties": {f"^{OWN}": {"description": "Your own: a place for anchors."}},
        "additionalProperties": False,
    }  # fmt: skip
