"""The untrusted side: a pre-loaded process that forks one child per submission, runs its cells and answers.

It holds nothing of the judge's: no key, no expected value, no threshold, no other submission.
"""
