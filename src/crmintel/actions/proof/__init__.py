"""What a policy is worth, from records of decisions with their propensities."""
