"""What `mecsim verify` checks: closed forms, exact laws and repeated bits, each with a mutant that it must reject."""
