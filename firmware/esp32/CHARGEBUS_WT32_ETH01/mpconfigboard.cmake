set(IDF_TARGET esp32)

set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    ${MICROPY_BOARD_DIR}/../sdkconfig.chargebus
    ${MICROPY_BOARD_DIR}/sdkconfig.board
)
# Secure boot, encrypted flash and NVS: see ../README.md before.
if("$ENV{CHARGEBUS_SECURE}" STREQUAL "release")
    list(APPEND SDKCONFIG_DEFAULTS ${MICROPY_BOARD_DIR}/../sdkconfig.secure)
endif()
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/../manifest.py)
# What the safety interrupt runs must lie in IRAM.
set(MICROPY_USER_LDFRAGMENTS ${MICROPY_BOARD_DIR}/../../cp_pwm/ports/esp32/cp_pwm.lf)

list(APPEND MICROPY_DEF_BOARD CP_BOARD_WT32_ETH01=1)
