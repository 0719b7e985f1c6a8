"""Mutants of the core that live, and why nothing can be made of it: each is as right as the original."""

CURRENT = "what is offered is nothing or at least 6 A"
CABLE = "a cable's rating is nothing or at least 6 A"
BEFORE_USE = "every tick sets it before anything reads it"
SINCE_BOOT = "time is never before 0"

_ROWS = (
    (
        "cp_core.c",
        "core->clear_count = 0;",
        {
            "core->clear_count = 1;": "the first tick then clears faults, of which there are none yet",
            ";": "at worst the first tick clears faults, of which there are none yet",
        },
    ),
    (
        "cp_core.c",
        "const bool pwm = core->duty.offered_ma > 0;",
        {"const bool pwm = core->duty.offered_ma > 1;": CURRENT},
    ),
    ("cp_core.c", "return 0;", {"return 1;": "below 6 A the duty is clamped to none"}),
    ("cp_core.c", "if (core->duty.offered_ma > 0) {", {"if (core->duty.offered_ma > 1) {": CURRENT}),
    (
        "cp_debounce.c",
        "*pilot = (cp_pilot){.settled_ms = CP_LONG_AGO, .state = CP_UNKNOWN, .level = CP_UNKNOWN};",
        {"*pilot = (cp_pilot){.state = CP_UNKNOWN, .level = CP_UNKNOWN};": SINCE_BOOT},
    ),
    (
        "cp_debounce.c",
        "pilot->level_since_ms = now_ms;",
        {
            ";": "while the plateau is hidden the diode has not passed, so nothing closes, and the first look "
            "afterwards sets it"
        },
    ),
    (
        "cp_derating.c",
        "*derating = (cp_derating){.known_ms = CP_LONG_AGO, .rated_ma = rated_ma, .fitted = fitted, .unknown = true};",
        {
            "*derating = (cp_derating){.known_ms = CP_LONG_AGO, .rated_ma = rated_ma, .fitted = fitted, "
            ".unknown = false};": BEFORE_USE,
            "*derating = (cp_derating){.known_ms = CP_LONG_AGO, .rated_ma = rated_ma, .fitted = fitted, };": BEFORE_USE,
        },
    ),
    (
        "cp_diode.c",
        "*diode = (cp_diode){.good_since_ms = CP_NEVER};",
        {"*diode = (cp_diode){};": "there is no PWM before the first tick, which therefore sets it"},
    ),
    (
        "cp_disconnect.c",
        "*disconnect = (cp_disconnect){.since_ms = CP_NEVER};",
        {"*disconnect = (cp_disconnect){};": "it is set when a disconnect is first asked for, and not read before"},
    ),
    (
        "cp_doubt.c",
        "doubt->value_ms = doubt->value_ms > elapsed_ms ? doubt->value_ms - elapsed_ms : 0;",
        {
            "doubt->value_ms = doubt->value_ms >= elapsed_ms ? doubt->value_ms - elapsed_ms : 0;": "where both are "
            "equal, their difference is the 0 of the other branch"
        },
    ),
    (
        "cp_duty.c",
        "if (current_ma > TRAP_LOW_MA && current_ma < TRAP_HIGH_MA) {",
        {"if (current_ma >= TRAP_LOW_MA && current_ma < TRAP_HIGH_MA) {": "51 A is what 51 A is clamped to"},
    ),
    (
        "cp_heartbeat.c",
        "*heartbeat = (cp_heartbeat){.back_ms = CP_NEVER};",
        {"*heartbeat = (cp_heartbeat){};": "it is set when the heartbeat is lost, and not read before"},
    ),
    (
        "cp_interlock.c",
        "*interlock = (cp_interlock){.switched_ms = now_ms, .not_before_ms = CP_LONG_AGO};",
        {"*interlock = (cp_interlock){.switched_ms = now_ms, };": SINCE_BOOT},
    ),
    (
        "cp_interlock.c",
        "if (state != CP_C || conditions->faults != 0 || conditions->cable_ma <= 0) {",
        {"if (state != CP_C || conditions->faults != 0 || conditions->cable_ma <= 1) {": CABLE},
    ),
    (
        "cp_interlock.c",
        "const bool allowed = conditions->permit && conditions->offered_ma > 0;",
        {"const bool allowed = conditions->permit && conditions->offered_ma > 1;": CURRENT},
    ),
    (
        "cp_interlock.c",
        "const bool checked = conditions->diode_passed && conditions->cable_ma > 0 && conditions->faults == 0;",
        {
            "const bool checked = conditions->diode_passed && conditions->cable_ma >= 0 && conditions->faults == 0;": (
                "without a cable nothing is offered, which is asked for beside it"
            ),
            "const bool checked = conditions->diode_passed && conditions->cable_ma > 1 && conditions->faults == 0;": (
                CABLE
            ),
        },
    ),
    (
        "cp_mirror.c",
        "*mirror = (cp_mirror){.wrong_since_ms = CP_NEVER, .fitted = fitted};",
        {
            "*mirror = (cp_mirror){.fitted = fitted};": "what is wrong from boot on counts from 1.25 s after boot, "
            "whatever stands there"
        },
    ),
    (
        "cp_proximity.c",
        ".seen_ma = tethered_ma,",
        {"": "with a fixed cable it is never read, and without one it is 0 anyway"},
    ),
    (
        "cp_proximity.c",
        "if (proximity->seen_ma > 0 && proximity->seen_ma > proximity->rating_ma) {",
        {
            "if (proximity->seen_ma >= 0 && proximity->seen_ma > proximity->rating_ma) {": "nothing is more than a "
            "rating only after a short, which has opened the contactor long before it can be believed",
            "if (proximity->seen_ma > 0 && proximity->seen_ma >= proximity->rating_ma) {": "where both are equal, to "
            "believe what is believed changes nothing",
        },
    ),
    (
        "cp_proximity.c",
        "return proximity->seen_ma != proximity->rating_ma;",
        {"return 1;": "where both are equal, to believe what is believed changes nothing"},
    ),
    (
        "cp_proximity.c",
        "return proximity->rating_ma > 0 ? proximity->rating_ma : 0;",
        {"return proximity->rating_ma > 1 ? proximity->rating_ma : 0;": CABLE},
    ),
    (
        "cp_proximity.h",
        "#define CP_SHORT_MA (-1)",
        {"#define CP_SHORT_MA (-2)": "any number below 0 stands for a short as well"},
    ),
    (
        "cp_residual.c",
        "} else if (now_ms < residual->due_ms) {",
        {
            "} else if (now_ms <= residual->due_ms) {": "where both are equal, it is set to what it is",
            "} else if (1) {": "a test that is due already is due now as well",
        },
    ),
    (
        "cp_state_f.c",
        "*state_f = (cp_state_f){.low = false};",
        {"*state_f = (cp_state_f){.low = true};": BEFORE_USE},
    ),
    (
        "cp_types.h",
        "#define CP_NEVER (INT64_C(1) << 62)",
        {"#define CP_NEVER (INT64_C(1) << 61)": "73 million years are never too"},
    ),
)

SURVIVORS = {(file, old, new): why for file, old, lives in _ROWS for new, why in lives.items()}
"""``(file, line, line of the mutant)``: why."""
