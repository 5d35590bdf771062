"""Changes made to the code one at a time, to see whether a fast test notices."""
