"""The long tiers, for as long as wanted, and one line for each: how many were tried, and how many broke a promise."""
