"""From a question to runs: which scenario, policy and seed, and running them on this machine."""
