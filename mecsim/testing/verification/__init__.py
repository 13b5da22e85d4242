"""The checks of `mecsim verify`: closed forms, exact laws and repeated bits, each with its mutant."""
