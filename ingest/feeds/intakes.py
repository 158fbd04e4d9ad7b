"""Which way in the rows of a source take."""

from ingest.feeds.measured import Measured
from ingest.feeds.outcome import Intake
from ingest.feeds.written import Features, Records
from services.feeds.models import Source

KINDS: dict[str, type[Intake]] = {
    Source.Target.READINGS: Measured,
    Source.Target.FEATURES: Features,
    Source.Target.RECORDS: Records,
}


def intake_of(source: Source) -> Intake:
    """The way in of a source, as it is settled now; Fault where its layer is no more."""
    return KINDS[source.target](source)
