"""What can be done, and what is open to whom: rules, consent, contact limits, hours."""
