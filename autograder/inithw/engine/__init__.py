"""Grades a homework that it is handed: reading, isolation, execution, scoring, batches, evidence and reports."""
