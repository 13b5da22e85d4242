"""What `mecsim verify` checks: closed forms, exact laws and repeated bits, each with a bug it must reject."""
