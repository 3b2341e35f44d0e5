"""What each action changes for each customer, and whether to treat customers differently at all."""
