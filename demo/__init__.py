"""Two invented offices, end to end: what a person sees in the first two minutes.

Everybody in here is generated; the agency codes are synthetic.
"""
