"""Pure decoders of device protocols: bytes to observations. Nothing of Django, no database, no sockets, no clock."""
