"""Renderings of a grade; each turns a record into something to read and decides nothing."""
