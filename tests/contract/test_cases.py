"""What `parametrize_with_checks` gives pytest: a case for each policy and check, with the traits given."""

from mecsim.testing import CONTRACT_CHECKS, Traits, parametrize_with_checks


def test_cases_are_policies_and_checks_with_traits():
    """Mutant: traits that a case does not have. `gucaa` then fails, whose users take their turn."""
    given = {"nearest": Traits(), "gucaa": Traits(order_matters=frozenset({"users"}))}
    cases = {case.id: case.values[0] for case in parametrize_with_checks(given).args[1]}
    assert set(cases) == {f"{name}-{check}" for name in given for check in CONTRACT_CHECKS}
    cases["gucaa-permutation of users"]()
