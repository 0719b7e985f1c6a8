# The module cp_pwm for MicroPython's ESP32 port: core, exchange, the ESP32 port, binding. The unix port uses
# micropython.mk. The board's mpconfigboard.h sets MICROPY_BOARD_STARTUP to cp_startup (see ports/esp32/cp_startup.h).
add_library(usermod_cp_pwm INTERFACE)

file(GLOB CP_PWM_SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/core/*.c
    ${CMAKE_CURRENT_LIST_DIR}/exchange/*.c
    ${CMAKE_CURRENT_LIST_DIR}/ports/*.c
    ${CMAKE_CURRENT_LIST_DIR}/ports/esp32/*.c
    ${CMAKE_CURRENT_LIST_DIR}/binding/*.c
)
target_sources(usermod_cp_pwm INTERFACE ${CP_PWM_SOURCES})

target_include_directories(usermod_cp_pwm INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/core
    ${CMAKE_CURRENT_LIST_DIR}/exchange
    ${CMAKE_CURRENT_LIST_DIR}/ports
    ${CMAKE_CURRENT_LIST_DIR}/ports/esp32
)

# The core and the exchange run in the safety task, also while a flash write has switched the cache off.
target_link_libraries(usermod INTERFACE usermod_cp_pwm)
