"""Coloured squares for physbench: two worlds, two models, a metric and a suite."""
