"""Not there, as in an installation: it comes with what checks Vantage, and structlog would load it.

A tenth of a second of every program's start, and tests start hundreds.
"""

raise ImportError("rich is no part of an installation")
