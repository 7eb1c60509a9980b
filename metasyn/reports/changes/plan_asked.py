"""What a report definition says of its departures from the analysis plan."""

from __future__ import annotations

from metasyn.records.fields import Model, Text


class DeviationAsked(Model):
    """Why a field of the definition is no longer what the analysis plan says."""

    field: Text
    """The field, such as model.ci; a field above it covers all below."""
    why: Text
