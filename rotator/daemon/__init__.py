"""The long-lived worker: a bell, a loop, and what the outside may see of them."""
