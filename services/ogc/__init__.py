"""OGC API: features, filters, tiles, styles, records and processes of every layer, with pygeoapi as the engine."""
