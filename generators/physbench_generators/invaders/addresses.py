"""The memory and the screen of the console in Space Invaders: addresses, values, colours and positions of objects.

Addresses count from 0, as in `ALEInterface.getRAM()`. [A] marks those that AtariARI published (Anand et al., 2019), and
[O] those of OCAtari (Delfosse et al., 2023). The other addresses, and all statements about times and positions, were
found by looking at the frames, and the tests check them against the frames. Rows and columns of the raw screen,
210 x 160, count from 0 at the upper left.
"""

from __future__ import annotations

SCREEN_ROWS, SCREEN_COLUMNS = 210, 160

# Addresses.
FORMATION_Y = 16  # the top of the top row of aliens is screen row FORMATION_TOP + 2 * this
ALIENS_LEFT = 17  # 36 in a new wave [A, O]
ALIEN_ROWS = 18  # six bit masks of living aliens, the BOTTOM row first; bit j is the j-th remaining column [O]
FORMATION_X = 26  # the left edge of the first remaining column is screen column this - 1 [A, O]
PLAYER_X = 28  # the ship's left edge is screen column this - 1, drawn one frame later [A, O]
UFO_X = 30  # its left edge is screen column this - 1, plus or minus one; UFO_ABSENT if there is none [O]
PHASE = 42  # PLAY, GET_READY, DYING or WAVE_CLEARED
SHIELDS = 43  # three bitmaps of nine bytes; a byte is eight pixels wide and two rows high [O]
LIVES = 73  # [A]; decreases only when the ship has finished burning, 128 frames after the hit
CLOCK = 74  # counts down the frames; the screen shows the shot if the lowest bit is 1, and the bombs if it is 0
# Bombs have two slots: 81 and 82, 83 and 84; FREE if there is no bomb. Slot 1 moves to slot 0 when that is freed [O]
BOMB_Y, BOMB_X = 81, 83
SHOT_Y, SHOT_X = 85, 87  # FREE if there is no shot; the y counts down from SHIELD_COUNTDOWN after it hits a shield [O]
SCORE = 102  # binary-coded decimals, high digits at 102, low ones at 104 [A]

# Values of PHASE: the ship blinks in GET_READY and burns in DYING; aliens move only in PLAY.
PLAY, GET_READY, DYING, WAVE_CLEARED = 0, 1, 4, 8
FREE = 246
LOWEST = 120  # the y of any flying shot or bomb is less than this
SHIELD_COUNTDOWN = 127
UFO_ABSENT = 180

# The formation.
ALIENS, ROWS, COLUMNS = 36, 6, 6
FORMATION_TOP = 31
CELL_ROWS, CELL_COLUMNS = 18, 16
ALIEN_HEIGHT, ALIEN_WIDTH = 10, 8
LEFT_EDGE, RIGHT_EDGE = 22, 137  # all turn when an alien reaches one of these with its left or its right side
SCORE_STEP = 5  # an alien is worth this times its row, counted from 1 at the bottom
UFO_SCORE = 200

# The shields.
SHIELD_COUNT, SHIELD_BYTES = 3, 9
SHIELD_LEFT, SHIELD_PITCH, SHIELD_WIDTH = 42, 32, 8
SHIELD_TOP, SHIELD_HEIGHT = 157, 18

# The others.
PLAYER_WIDTH, PLAYER_TOP, PLAYER_HEIGHT = 7, 185, 10
UFO_WIDTH, UFO_TOP, UFO_HEIGHT = 7, 12, 8
BULLET_LEFT = -2  # a shot or bomb is one column wide, at its x + this
BULLET_CENTRE = 8  # the middle of a shot or bomb at y is the upper edge of screen row 2 * y + this
SHOT_START = 85  # the y at which a shot is fired
GROUND_Y = 94  # a bomb with a larger y is behind the ground: it is not drawn and hits nothing; its slot is freed at 107
SHIELD_ZONE = (71, 82)  # the y at which a bomb can end in a shield
SHIP_ZONE = (85, 95)  # the y at which a bomb can hit the ship
SHIP_REACH = 4  # the most columns between the middle of the ship and a bomb that hits it

# Colours: indices into the palette.
BULLET_COLOUR, ALIEN_COLOUR, SHIELD_COLOUR, UFO_COLOUR = 6, 20, 52, 82
GREEN = 196  # the score of player 1, the ship, and marks on the ground
YELLOW = 246  # the score of player 2, the number of lives, and marks on the ground
GROUND_COLOUR = 226
SCORE_ROWS = 26  # the score is in the rows above this one
GROUND_TOP = 195
GRAYS = {
    BULLET_COLOUR: 142,
    ALIEN_COLOUR: 122,
    SHIELD_COLOUR: 107,
    UFO_COLOUR: 74,
    GREEN: 98,
    GROUND_COLOUR: 79,
    YELLOW: 133,
}  # the grey levels that the emulator gives these colours

# Labels: the object that a pixel belongs to. An alien is 1 + 6 * row + column. Row 0 is at the top, and the column is
# the one that it had at the beginning of the wave.
SHIELD, PLAYER, SHOT, BOMB, UFO, HUD = 37, 40, 41, 42, 44, 45
OBJECTS = 44
