"""The console's memory and screen in Space Invaders: what lies at which address, in which colour, and at which place.

Addresses count from 0, as `ALEInterface.getRAM()` gives them. [A] marks those that AtariARI published (Anand et al.,
2019), [O] those of OCAtari (Delfosse et al., 2023); the others, and everything that is said of times and places, were
read off the frames and are held to them by the tests. Rows and columns of the raw screen, 210 x 160, count from 0 at
the upper left.
"""

from __future__ import annotations

SCREEN_ROWS, SCREEN_COLUMNS = 210, 160

# Addresses.
FORMATION_Y = 16  # the top of the top row of aliens is screen row FORMATION_TOP + 2 * this
ALIENS_LEFT = 17  # 36 in a new wave [A, O]
ALIEN_ROWS = 18  # six bit masks of living aliens, the BOTTOM row first; bit j is the j-th column that is left [O]
FORMATION_X = 26  # the left edge of the first column that is left is screen column this - 1 [A, O]
PLAYER_X = 28  # the ship's left edge is screen column this - 1, drawn one frame later [A, O]
UFO_X = 30  # its left edge is screen column this - 1, give or take one; UFO_ABSENT where there is none [O]
PHASE = 42  # see PLAY and the others
SHIELDS = 43  # three bitmaps of nine bytes; a byte is eight pixels wide and two rows high [O]
LIVES = 73  # [A]; falls only when the ship has finished burning, 128 frames after the hit
CLOCK = 74  # counts frames down; where its lowest bit is 1 the screen shows the shot, where it is 0 the bombs
BOMB_Y, BOMB_X = (
    81,
    83,
    # of two slots each: 81 and 82, 83 and 84; FREE where there is none. Slot 1 moves to slot 0 when it is freed [O]
)
SHOT_Y, SHOT_X = (
    85,
    87,
)  # of the one shot; FREE where there is none; SHIELD_COUNTDOWN and below for a while after it hit a shield [O]
SCORE = 102  # binary-coded decimals, high digits at 102, low ones at 104 [A]

# Values.
PLAY, GET_READY, DYING, WAVE_CLEARED = (
    0,
    1,
    4,
    8,
)  # of PHASE: GET_READY blinks the ship, DYING burns it; aliens stand still in all but PLAY
FREE = 246
LOWEST = 120  # the y of what flies is less
SHIELD_COUNTDOWN = 127
UFO_ABSENT = 180

# The formation.
ALIENS, ROWS, COLUMNS = 36, 6, 6
FORMATION_TOP = 31
CELL_ROWS, CELL_COLUMNS = 18, 16
ALIEN_HEIGHT, ALIEN_WIDTH = 10, 8
LEFT_EDGE, RIGHT_EDGE = 22, 137  # where an alien that reaches it makes all turn: of its left side, of its right side
SCORE_STEP = 5  # an alien is worth this, times its row from the bottom, from 1
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
GROUND_Y = (
    94  # a bomb whose y is more is behind the ground: it is not drawn and hits nothing, until its slot is freed at 107
)
SHIELD_ZONE = (71, 82)  # the y at which a bomb can end in a shield
SHIP_ZONE = (85, 95)  # the y at which a bomb can hit the ship
SHIP_REACH = 4  # columns between the middle of the ship and a bomb that hits it, at most

# Colours: indices of the palette.
BULLET_COLOUR, ALIEN_COLOUR, SHIELD_COLOUR, UFO_COLOUR = 6, 20, 52, 82
GREEN = 196  # score of player 1, the ship, ticks on the ground
YELLOW = 246  # score of player 2, the number of lives, ticks on the ground
GROUND_COLOUR = 226
SCORE_ROWS = 26  # the score is above
GROUND_TOP = 195
GRAYS = {
    BULLET_COLOUR: 142,
    ALIEN_COLOUR: 122,
    SHIELD_COLOUR: 107,
    UFO_COLOUR: 74,
    GREEN: 98,
    GROUND_COLOUR: 79,
    YELLOW: 133,
}  # what the emulator gives

# Labels: which object a pixel belongs to. Aliens are 1 + 6 * row + column, row 0 on top, column as at the beginning of
# the wave.
SHIELD, PLAYER, SHOT, BOMB, UFO, HUD = 37, 40, 41, 42, 44, 45
OBJECTS = 44
