# The module cp_pwm for MicroPython's ports that are built with make, which is the unix port: core, exchange, the host
# port with its virtual circuit, binding. ESP32 is built with micropython.cmake.
CP_PWM_DIR := $(USERMOD_DIR)

SRC_USERMOD_LIB_C += $(wildcard $(CP_PWM_DIR)/core/*.c) $(wildcard $(CP_PWM_DIR)/exchange/*.c)
SRC_USERMOD_LIB_C += $(CP_PWM_DIR)/ports/cp_port.c
SRC_USERMOD_LIB_C += $(filter-out %_binding.c, $(wildcard $(CP_PWM_DIR)/ports/host/*.c))
SRC_USERMOD_C += $(CP_PWM_DIR)/binding/cp_module.c $(CP_PWM_DIR)/ports/host/cp_circuit_binding.c

CFLAGS_USERMOD += -DCP_PORT_HOST
CFLAGS_USERMOD += $(addprefix -I$(CP_PWM_DIR)/, core exchange ports ports/host)
LDFLAGS_USERMOD += -lpthread
