"""The types of all InfluxDB fields, for dashboards and people: ``bus_schema/generated/influx_fields.json``."""

from bus_schema.generate.json_schema import text
from bus_schema.influx import measurements


def document() -> str:
    """Return the text of the list of measurements with their tags and field types."""
    return text(
        {
            shape.name: {"topic": shape.topic.pattern, "tags": list(shape.tags), "fields": shape.fields}
            for shape in measurements()
        }
    )
