"""The world: pure functions of (scenario, seed, entity, time), docs/model.md section 9."""
