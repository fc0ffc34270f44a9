"""Predictions and labels become outcomes: joined, judged, and closed into cohorts when labels had time to come."""
