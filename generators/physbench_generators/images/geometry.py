"""The sizes of sprites, in pixels of a frame of 64x64. In larger and smaller frames they change in proportion.

The half axes are those at scale 1, from the centre about which a sprite is rotated. A heart is
(u^2 + v^2 - 1)^3 <= u^2 v^3 in units of its half axis, with v pointing up. Its centre is HEART_RISE above the origin,
in the middle of the circle around the heart. At the same scale the three shapes have nearly the same area: 289 to 302
pixels at scale 1. A sprite covers 4.2% of a frame on average, as in dSprites, where the mean of the pixels is 0.043.
"""

SQUARE, ELLIPSE, HEART = 1, 2, 3
"""The numbers of the shapes; 0 means an absent object."""

HALF_AXES = ((1.0, 1.0), (8.5, 8.5), (12.0, 8.0), (9.0, 9.0))
"""The half axes of each shape, along its own x and y."""

HEART_RISE = 0.25

REACH = 12.5
"""More than the distance from the centre to any point of a sprite of scale 1 (12.02, the corner of a square)."""

MARGIN = 16.0
"""The least distance from the edge of a frame to a centre. Every sprite stays nearly 4 pixels or more from the edge."""

HUES = 6 * 255
"""How many saturated colours of 8 bits there are: those with one channel at 255 and another at 0."""
