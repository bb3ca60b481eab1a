"""Brings history from files and older systems: read, judged row by row, stored part by part, accounted for."""
