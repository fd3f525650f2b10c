"""What it costs, beside the limit and beside what somebody would pick instead: `make bench`.

Every figure is a ratio of two things measured in one run on one machine, each in a fresh process,
alternately; each result is verified before it counts. Nothing here is a test.
"""
