"""The discrete-event engine, docs/model.md sections 10 to 13: the only place with mutable state."""
