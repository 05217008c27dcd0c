"""What a sprite measures, in pixels of a frame of 64x64; larger and smaller frames have sprites in proportion.

Half axes at scale 1, from the centre that a sprite is turned about. A heart is (u^2 + v^2 - 1)^3 <= u^2 v^3 in units of
its half axis, v upwards, its centre HEART_RISE above the origin, which is the middle of the circle around it. At one
scale the three have nearly the same area, 289 to 302 pixels at scale 1: a sprite covers 4.2% of a frame on average, as
in dSprites, the mean of whose pixels is 0.043.
"""

SQUARE, ELLIPSE, HEART = 1, 2, 3
"""Shapes; 0 is an absent object."""

HALF_AXES = ((1.0, 1.0), (8.5, 8.5), (12.0, 8.0), (9.0, 9.0))
"""By shape, along its own x and y."""

HEART_RISE = 0.25

REACH = 12.5
"""No sprite of scale 1 reaches as far: the corner of a square is 12.02 away."""

MARGIN = 16.0
"""From the edge to the nearest centre: every sprite lies within the frame, nearly 4 pixels from its edge or more."""

HUES = 6 * 255
"""The saturated colours of 8 bits: one channel 255, another 0."""
