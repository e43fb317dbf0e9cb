"""What the grapes list, and how they are asked: link, embedded grape, announces, signed records."""
