"""The API, ``/api/v1``: the same rows and functions as the pages, for programs."""
