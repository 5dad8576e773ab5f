"""Django's own tests of what this package replaces, run against the replacements.

What differs on purpose is listed by name in ``DIFFERENCES``, with its reason, and each such test is
replaced by one that says what holds here instead.
The modules of Django's tests are imported whole: a class that is imported by its name would be
collected, and run against Django's own code.
"""
