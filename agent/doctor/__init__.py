"""What is wrong here, and the one thing to do about it. Looks, and never prints, writes or settles anything."""
