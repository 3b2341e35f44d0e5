"""Who gets what while places and money are scarce: prices, a feasible plan, and a certificate of how good it is."""
