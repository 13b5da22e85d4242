"""The discrete-event engine, MODEL.md sections 10 to 13: the only place with mutable state."""
