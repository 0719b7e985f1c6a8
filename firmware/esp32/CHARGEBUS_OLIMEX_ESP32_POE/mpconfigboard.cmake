set(IDF_TARGET esp32)

set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    ${MICROPY_BOARD_DIR}/../sdkconfig.chargebus
    ${MICROPY_BOARD_DIR}/sdkconfig.board
)
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/../manifest.py)
# What the safety interrupt runs must lie in IRAM.
set(MICROPY_USER_LDFRAGMENTS ${MICROPY_BOARD_DIR}/../../cp_pwm/ports/esp32/cp_pwm.lf)

list(APPEND MICROPY_DEF_BOARD CP_BOARD_OLIMEX_ESP32_POE=1)
