"""The checks that make up the contract of a policy."""
