"""From what is seen of a client that is refused to the words that name why, and to what mends it. Pure."""
