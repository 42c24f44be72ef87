"""What is made from the homework's one source, and proved, before students get it."""
