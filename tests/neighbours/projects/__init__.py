"""Small projects of many kinds, each of which tells the same story in a process of its own."""
