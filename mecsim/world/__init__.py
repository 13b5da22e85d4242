"""The world: pure functions of (scenario, seed, entity, time), MODEL.md section 9."""
